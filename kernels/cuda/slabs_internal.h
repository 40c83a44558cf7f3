// Small blocks of device memory, cut from slabs of 2 MiB, the least that a driver gives. A cudaMalloc takes hundreds of
// microseconds and waits for the device, and a model has dozens of tensors of a few kilobytes. Blocks are not reused
// here: the caching allocator above keeps freed blocks, so a slab fills once and goes back as a whole.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>

namespace hop::kernels::cuda {

/// `size` bytes of the current device; null if the driver has none left. Throws CudaError for any other error.
void* allocate_from_driver(std::size_t size);

class Slabs {
 public:
  static constexpr std::size_t kSlab = std::size_t{2} << 20;
#ifdef HOP_SIMT
  static constexpr std::size_t kLargest = 0;  ///< no slabs: simt's cudaMalloc puts guard bytes around every block
#else
  static constexpr std::size_t kLargest = kSlab / 8;  ///< larger blocks come from the driver
#endif
  static constexpr std::size_t kAlignment = 256;  ///< as cudaMalloc promises

  /// `size` bytes, size <= kSlab, of the current device; null when the driver has none left.
  void* allocate(std::size_t size);
  /// Gives a block back; false if it does not belong to a slab.
  bool free(void* block);

  std::size_t slab_count() const;

 private:
  struct Slab {
    std::size_t used = 0;    // bytes from the start of the slab that were handed out
    std::size_t blocks = 0;  // live blocks among these
  };
  mutable std::mutex mutex_;
  std::map<std::byte*, Slab> slabs_;  // by address, so that a block finds its slab
  std::byte* filling_ = nullptr;
};

}  // namespace hop::kernels::cuda
