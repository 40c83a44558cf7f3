// A private set of blocks for a captured step. Tensors that are allocated while the step is recorded keep their
// addresses for every replay. So their blocks do not return to the shared allocator when the tensors die. Within the
// step the blocks are reused as usual.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "tensor/device.h"

namespace hop {

/// Thread-safe. Its blocks go back to the device's caching allocator when the last recording and the last tensor that
/// use the pool are gone.
class MemoryPool : public std::enable_shared_from_this<MemoryPool> {
 public:
  explicit MemoryPool(Device device) : device_(device) {}
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  Device device() const { return device_; }
  /// Bytes taken from the device's allocator so far.
  std::size_t bytes() const;

  void* allocate(std::size_t size);
  void free(void* data, std::size_t size) noexcept;

  /// The pool that takes this thread's allocations for `device`, or null.
  static MemoryPool* current(Device device) {
    return current_ != nullptr && current_->device_ == device ? current_ : nullptr;
  }

 private:
  friend class PoolScope;
  static constinit thread_local MemoryPool* current_;

  Device device_;
  mutable std::mutex mutex_;
  std::vector<std::pair<void*, std::size_t>> blocks_;
  std::multimap<std::size_t, void*> free_;  // by size
};

/// While alive, this thread's allocations for the pool's device come from the pool.
class PoolScope {
 public:
  explicit PoolScope(std::shared_ptr<MemoryPool> pool);
  ~PoolScope();
  PoolScope(const PoolScope&) = delete;
  PoolScope& operator=(const PoolScope&) = delete;

 private:
  std::shared_ptr<MemoryPool> pool_;
  MemoryPool* outer_;
};

}  // namespace hop
