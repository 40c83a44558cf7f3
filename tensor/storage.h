// A range of bytes on a device, shared by the tensors that view it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/intrusive.h"
#include "base/recycled.h"
#include "tensor/device.h"
#include "tensor/memory_pool.h"

namespace hop {

class Storage {
 public:
  Storage() = default;
  /// `size` fresh bytes from the caching allocator, or from the thread's MemoryPool, uninitialised, on a 64-byte
  /// boundary.
  Storage(std::size_t size, Device device);
  /// Borrows memory that `owner` keeps alive (a mapped file, a state block).
  static Storage borrow(void* data, std::size_t size, std::shared_ptr<void> owner, Device device = Device::cpu());

  explicit operator bool() const { return static_cast<bool>(body_); }
  bool operator==(const Storage&) const = default;  ///< the same bytes, not equal bytes
  bool is_unique() const { return body_.use_count() == 1; }
  std::byte* data() const { return body_->data; }
  std::size_t size() const { return body_->size; }
  Device device() const { return body_->device; }
  /// The capture in which it was made; 0: in none.
  std::uint32_t born_in() const { return body_->born_in; }

  /// Counts writes in place, over all tensors that share the bytes. Autograd compares the count with the one that it
  /// saved.
  std::uint32_t version() const { return body_->version.load(std::memory_order_relaxed); }
  void bump_version() const { body_->version.fetch_add(1, std::memory_order_relaxed); }

  /// Whether the bytes are state of a module beside its parameters (running statistics). A function that runs twice
  /// must not write them twice.
  bool is_state() const { return body_->state; }
  void mark_state() const { body_->state = true; }

 private:
  struct Body : Counted, Recycled<Body> {
    Body();
    ~Body();
    std::byte* data = nullptr;
    std::size_t size = 0;
    Device device;
    std::atomic<std::uint32_t> version{0};
    std::shared_ptr<void> owner;       // set when the bytes are borrowed
    std::shared_ptr<MemoryPool> pool;  // set when they came from one
    bool borrowed = false;
    bool state = false;
    std::uint32_t born_in = 0;
    friend class IntrusivePtr<Body>;
  };
  IntrusivePtr<Body> body_;
};

}  // namespace hop
