// What this process keeps per device from its first use to its end: streams, fault words, the slabs; and what a thread
// keeps while it records a graph.
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

/// The streams of threads that have one of their own. Thread-safe.
class OwnStreams {
 public:
  void add(cudaStream_t stream);
  void remove(cudaStream_t stream);
  /// Waits for all of them: memory is about to change its owner.
  void drain() noexcept;
  /// How often there was something to wait for.
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

/// The state of device `index`, which must be current when it is first asked for. Never destroyed: the driver may be
/// gone before the last static object is.
DeviceState& device_state(int index);

/// Why this program cannot run on card `ordinal`: "" where it can. Its oldest machine code is for 8.0.
std::string why_unfit(int ordinal);

/// The backend of Device::cuda(index); throws DeviceError for one that is not there.
Backend& device_backend(std::int16_t index);

/// A stream for the calling thread alone, its current one on device `index`.
std::unique_ptr<DeviceQueue> make_own_stream(std::int16_t index);

/// Page-locked host memory, for cudaFreeHost. Throws MemoryError where there is none left.
void* allocate_pinned(std::size_t size, unsigned flags);

/// Says that the calling thread records a graph, while it lives.
class RecordingScope {
 public:
  /// The graph is to be launched on what is the current stream now, and notes its faults in `faults`.
  explicit RecordingScope(std::shared_ptr<FaultSlot> faults);
  ~RecordingScope();
  RecordingScope(const RecordingScope&) = delete;
  RecordingScope& operator=(const RecordingScope&) = delete;

  static const RecordingScope* current();
  const std::shared_ptr<FaultSlot>& faults() const { return faults_; }
  cudaStream_t launched_on() const { return launched_on_; }

 private:
  std::shared_ptr<FaultSlot> faults_;
  cudaStream_t launched_on_;
};

}  // namespace hop::kernels::cuda
