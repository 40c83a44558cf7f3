// The caching allocator: freed blocks are kept per device and size, so that a training step that repeats allocates
// nothing from the system (a fresh page costs 5 to 8 times a warm copy). Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/device.h"

namespace hop::memory {

/// Bytes held by live tensors of `device`.
std::size_t active(Device device = Device::cpu());
/// The highest value of active() since the start or the last reset_peak().
std::size_t peak(Device device = Device::cpu());
void reset_peak(Device device = Device::cpu());
/// Bytes kept for reuse.
std::size_t cached(Device device = Device::cpu());
/// How often the device itself was asked for memory.
std::uint64_t system_allocations(Device device = Device::cpu());
/// Gives all cached blocks back to the device.
void empty_cache(Device device = Device::cpu());
/// From now on active() + cached() stays at most `bytes` (0: no limit): the cache is emptied first, then MemoryError.
void set_limit(std::size_t bytes, Device device = Device::cpu());
/// How many bytes allocate() could still give: what the limit leaves, or what the device has free with the cache.
std::size_t available(Device device = Device::cpu());

/// While it lives, the calling thread's blocks of `device` are kept apart: freed ones, by whichever thread, are used
/// again by this thread alone. For a thread whose work on the device has an order of its own (OwnQueue): another
/// order's work may still be writing to a block that was freed. One per thread, else StateError; it ends there, when
/// its work has.
class Reserve {
 public:
  explicit Reserve(Device device);
  ~Reserve();
  Reserve(const Reserve&) = delete;
  Reserve& operator=(const Reserve&) = delete;

 private:
  Device device_;
};

/// `size` bytes on a 64-byte boundary, uninitialised; nullptr for 0. Where the device has none left, what is cached
/// goes back to it first; then MemoryError. For Storage; users hold tensors.
void* allocate(std::size_t size, Device device);
void free(void* data, std::size_t size, Device device) noexcept;

}  // namespace hop::memory
