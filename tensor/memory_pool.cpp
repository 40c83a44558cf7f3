#include "tensor/memory_pool.h"

#include <cstdint>

#include "base/bytes.h"
#include "tensor/allocator.h"

namespace hop {

constinit thread_local MemoryPool* MemoryPool::current_ = nullptr;

MemoryPool::~MemoryPool() {
  for (const auto& [data, size] : blocks_) memory::free(data, size, device_);
}

std::size_t MemoryPool::bytes() const {
  const std::scoped_lock lock(mutex_);
  std::size_t sum = 0;
  for (const auto& block : blocks_) sum += block.second;
  return sum;
}

// Sizes repeat exactly from step to step, so exact fits are enough, and a recording takes no more memory than its
// tensors need.
void* MemoryPool::allocate(std::size_t size) {
  if (size == 0) return nullptr;
  if (size > SIZE_MAX - kAlignment) return memory::allocate(size, device_);  // throws the MemoryError
  size = align_up(size);
  const std::scoped_lock lock(mutex_);
  if (const auto it = free_.find(size); it != free_.end()) {
    void* data = it->second;
    free_.erase(it);
    return data;
  }
  void* data = memory::allocate(size, device_);
  blocks_.emplace_back(data, size);
  return data;
}

void MemoryPool::free(void* data, std::size_t size) noexcept {
  if (data == nullptr) return;
  const std::scoped_lock lock(mutex_);
  try {
    free_.emplace(align_up(size), data);
  } catch (const std::bad_alloc&) {  // the block is not reused; it goes back with the pool
  }
}

PoolScope::PoolScope(std::shared_ptr<MemoryPool> pool) : pool_(std::move(pool)), outer_(MemoryPool::current_) {
  MemoryPool::current_ = pool_.get();
}
PoolScope::~PoolScope() { MemoryPool::current_ = outer_; }

}  // namespace hop
