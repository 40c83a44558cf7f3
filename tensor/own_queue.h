// A thread's own order of work on a device. With it the models of several threads share a card at the same time: one
// small model leaves most of a card idle.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "tensor/allocator.h"
#include "tensor/device.h"

namespace hop {

/// A device's queue for one thread. It is destroyed on its thread, and the destructor waits for its work. If the work
/// met errors, they are thrown when the thread next waits for the device (Backend::synchronize).
class DeviceQueue {
 public:
  virtual ~DeviceQueue() = default;
};

/// For a device type whose calls return before their work is done. Call once per type, before its first use.
void register_queues(DeviceType type, std::unique_ptr<DeviceQueue> (*make)(std::int16_t index));

/// While it lives, the calling thread's work on `device` runs in its own order, beside the work of other threads.
/// Memory that the thread allocated there is reused by this thread alone (memory::Reserve). Before a tensor passes
/// between threads, wait for its work (Backend::synchronize, Fence). Results stay the same. On the CPU nothing changes.
/// One per thread, else StateError; destroy it on its thread.
///
/// A thread that drops the last handle to a tensor of another thread waits there for its own work, which may still read
/// what the owner would write next. Only the last handle is covered. If a thread has given the device work that reads a
/// tensor of another thread, and drops a handle that may not be the last, it calls Backend::synchronize first. Else the
/// owner may drop the last handle, get the memory again and write to it while that work still reads.
class OwnQueue {
 public:
  explicit OwnQueue(Device device);
  OwnQueue(const OwnQueue&) = delete;
  OwnQueue& operator=(const OwnQueue&) = delete;

 private:
  std::optional<memory::Reserve> reserve_;  // destroyed last: by then its blocks are idle
  std::unique_ptr<DeviceQueue> queue_;
};

}  // namespace hop
