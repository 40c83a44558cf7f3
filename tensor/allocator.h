// The caching allocator keeps freed blocks per device and size, so that a repeated training step allocates nothing from
// the system (a fresh page costs 5 to 8 times a warm copy). Thread-safe.
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
/// From now on active() + cached() stays at most `bytes` (0: no limit). An allocation beyond the limit empties the
/// cache first; if that is not enough, it throws MemoryError.
void set_limit(std::size_t bytes, Device device = Device::cpu());
/// How many bytes allocate() could still give: up to the limit, or else the device's free bytes and the cache.
std::size_t available(Device device = Device::cpu());

/// While a Reserve lives, the calling thread's blocks of `device` are kept apart: after any thread frees them, only
/// this thread uses them again. For a thread whose work on the device has its own order (OwnQueue): work of that order
/// may still write to a block after the block was freed. One per thread, else StateError. Destroy it on its thread,
/// after the thread's work has ended.
class Reserve {
 public:
  explicit Reserve(Device device);
  ~Reserve();
  Reserve(const Reserve&) = delete;
  Reserve& operator=(const Reserve&) = delete;

 private:
  Device device_;
};

/// `size` bytes on a 64-byte boundary, uninitialised; nullptr for 0. If the device has no memory left, all cached
/// blocks go back to it; if that is not enough, throws MemoryError. For Storage; users hold tensors.
void* allocate(std::size_t size, Device device);
void free(void* data, std::size_t size, Device device) noexcept;

}  // namespace hop::memory
