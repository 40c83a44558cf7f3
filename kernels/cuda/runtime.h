// The CUDA runtime with owners and typed errors: devices, streams, events, pinned memory. The same source runs over
// NVIDIA's runtime and over the executor of kernels/simt: language.h chooses.
//
// A thread works on one device and one stream at a time, its current ones. Memory from the caching allocator is reused
// in the order of a device's compute stream. Code under a StreamGuard must wait (Event) before its tensors are freed,
// and before the compute stream reads them.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "kernels/cuda.h"
#include "kernels/cuda/language.h"
#include "tensor/device.h"

namespace hop::kernels::cuda {

/// How many devices this process can use: the first ones that the driver shows. Asked once. An old card (below 8.0)
/// ends the list. The driver lists the fastest first; CUDA_VISIBLE_DEVICES can change the order.
int device_count();
/// Why there are no more devices: no driver, no card, an old card; "" if all cards can be used.
const std::string& why_no_device();

/// Throws DeviceError unless there is a device `index`.
void expect_device(int index);
/// Makes `index` the calling thread's current device. Throws DeviceError if there is no such device.
void use_device(int index);
int current_device();
/// Throws the current device's own CudaError, if it has one; the error is sticky if the device is lost to this process.
/// Call it when a library on top of CUDA fails: such a library reports a lost device as an internal error.
void expect_live_device();

/// The stream of the calling thread on the current device: the innermost StreamGuard's, or else the device's compute
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

/// Milliseconds on the device between two recorded events with timing. Waits for the second event.
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

/// Host memory that a device copies from and to without the host's help. Making it takes milliseconds: keep it. Throws
/// MemoryError if the host cannot lock more memory.
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
