// The CUDA runtime with owners and typed errors: devices, streams, events, pinned memory. The same source stands over
// NVIDIA's runtime and over the executor of kernels/simt, whichever language.h gives.
//
// One thread works on one device and one stream at a time, its current ones. Memory from the caching allocator is
// reused in the order of a device's compute stream: who computes under a StreamGuard waits (Event) before tensors that
// were used there are freed, and before the compute stream reads them.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "kernels/cuda.h"
#include "kernels/cuda/language.h"
#include "tensor/device.h"

namespace hop::kernels::cuda {

/// How many devices this process can use, the first ones that the driver shows. Asked once. An old card (below 8.0)
/// ends the list: the driver counts the fastest first, and CUDA_VISIBLE_DEVICES can put another order.
int device_count();
/// Why there are no more: no driver, no card, an old card; "" where all cards can be used.
const std::string& why_no_device();

/// Throws DeviceError unless there is a device `index`.
void expect_device(int index);
/// Makes `index` the calling thread's current device. Throws DeviceError for one that is not there.
void use_device(int index);
int current_device();
/// Throws the CudaError of the current device itself, sticky where it is lost to this process; nothing if it is well.
/// For a failed call of a library on top of CUDA, which calls a lost device an internal error.
void expect_live_device();

/// The stream of the calling thread on the current device: the innermost StreamGuard's, else the device's compute
/// stream, which all threads share.
cudaStream_t current_stream();
/// Whether current_stream() records a graph instead of running.
bool stream_is_capturing();

/// A point in a stream's work.
class Event {
 public:
  enum class Timing { off, on };
  explicit Event(Timing timing = Timing::off);
  ~Event();
  Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event&& other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }

  void record(cudaStream_t stream) const;
  bool is_done() const;      ///< whether all work before the last record() has run; true before the first
  void synchronize() const;  ///< the host waits for it
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

/// Milliseconds of the device between two recorded events with timing; waits for the second.
float milliseconds_between(const Event& start, const Event& stop);

/// A stream of the device that was current when it was made; runs beside all other streams.
class Stream {
 public:
  Stream();
  ~Stream();
  Stream(Stream&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
  Stream& operator=(Stream&& other) noexcept {
    std::swap(stream_, other.stream_);
    return *this;
  }

  void synchronize() const;             ///< the host waits for the stream
  void wait(const Event& event) const;  ///< the stream waits for the event, the host does not
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

/// Streams of the current device for copies beside the computation, one each way: a card has a copy engine for each.
const Stream& to_device_stream();
const Stream& to_host_stream();

/// Makes `stream` the calling thread's current stream while it lives.
class StreamGuard {
 public:
  explicit StreamGuard(const Stream& stream);
  ~StreamGuard();
  StreamGuard(const StreamGuard&) = delete;
  StreamGuard& operator=(const StreamGuard&) = delete;

 private:
  int device_before_;
  cudaStream_t before_;
};

/// Host memory that a device copies from and to without the host's help. Dear to make (milliseconds): keep it. Throws
/// MemoryError where the host has none left to lock.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  explicit PinnedBuffer(std::size_t size);
  ~PinnedBuffer();
  PinnedBuffer(PinnedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::span<std::byte> span() const { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace hop::kernels::cuda
