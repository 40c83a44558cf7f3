#include "base/bytes.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/slabs_internal.h"

namespace hop::kernels::cuda {

void* allocate_from_driver(std::size_t size) {
  void* data = nullptr;
  const cudaError_t status = cudaMalloc(&data, size);
  if (status == cudaErrorMemoryAllocation) {
    ignore(status);
    return nullptr;
  }
  check(status, "cudaMalloc");
  return data;
}

void* Slabs::allocate(std::size_t size) {
  const std::size_t bytes = align_up(size, kAlignment);
  const std::scoped_lock lock(mutex_);
  if (filling_ == nullptr || slabs_[filling_].used + bytes > kSlab) {
    void* data = allocate_from_driver(kSlab);
    if (data == nullptr) return nullptr;
    filling_ = static_cast<std::byte*>(data);
    slabs_[filling_] = {};
  }
  Slab& slab = slabs_[filling_];
  std::byte* const block = filling_ + slab.used;
  slab.used += bytes;
  ++slab.blocks;
  return block;
}

bool Slabs::free(void* block) {
  const std::scoped_lock lock(mutex_);
  auto* const data = static_cast<std::byte*>(block);
  auto slab = slabs_.upper_bound(data);  // the first that starts after the block
  if (slab == slabs_.begin() || data >= (--slab)->first + kSlab) return false;
  if (--slab->second.blocks == 0) {
    if (filling_ == slab->first) filling_ = nullptr;
    ignore(cudaFree(slab->first));
    slabs_.erase(slab);
  }
  return true;
}

std::size_t Slabs::slab_count() const {
  const std::scoped_lock lock(mutex_);
  return slabs_.size();
}

}  // namespace hop::kernels::cuda
