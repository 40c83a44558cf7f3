// State of this process per device, from the first use to the end: streams, fault words, slabs.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/cuda/fault_internal.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/slabs_internal.h"
#include "tensor/backend.h"
#include "tensor/own_queue.h"

namespace hop::kernels::cuda {

/// The streams of threads with an OwnQueue. Thread-safe.
class OwnStreams {
 public:
  void add(cudaStream_t stream);
  void remove(cudaStream_t stream);
  /// Waits for all these streams. Called before memory changes its owner.
  void drain() noexcept;
  /// How often drain() had work to wait for.
  std::uint64_t drains() const {
    const std::scoped_lock lock(mutex_);
    return drains_;
  }

 private:
  mutable std::mutex mutex_;
  std::uint64_t drains_ = 0;
  std::vector<cudaStream_t> streams_;
};

struct DeviceState {
  Stream compute;
  Stream to_device;
  Stream to_host;
  Slabs slabs;
  FaultWords faults;
  OwnStreams own_streams;
};

/// The state of device `index`. The device must be current at the first call. Never destroyed: the driver may be gone
/// before the last static object.
DeviceState& device_state(int index);

/// Why this program cannot run on card `ordinal`; "" if it can. The program's oldest machine code is for compute
/// capability 8.0.
std::string why_unfit(int ordinal);

/// The backend of Device::cuda(index). Throws DeviceError if there is no such device.
Backend& device_backend(std::int16_t index);

/// A stream for the calling thread alone. It becomes the thread's current stream on device `index`.
std::unique_ptr<DeviceQueue> make_own_stream(std::int16_t index);

/// Page-locked host memory, to be freed by cudaFreeHost. Throws MemoryError if there is none left.
void* allocate_pinned(std::size_t size, unsigned flags);

}  // namespace hop::kernels::cuda
