#include "kernels/cuda/runtime.h"

#include "base/error.h"
#include "kernels/cuda/device_internal.h"

namespace hop::kernels::cuda {
namespace {

struct Devices {
  int count = 0;
  std::string why_none;
};

// 35: no driver, or one older than our runtime; 100: a driver and no card. For any other error the answer is the same:
// this process computes without CUDA, and says why when asked for it.
const Devices& devices() {
  static const Devices found = [] {
    Devices d;
    const cudaError_t status = cudaGetDeviceCount(&d.count);
    if (status != cudaSuccess) {
      ignore(status);
      d = {0, std::string(cudaGetErrorString(status)) + " (" + std::to_string(status) + ")"};
    } else if (d.count == 0) {
      d.why_none = "the driver shows no device";
    }
    for (int i = 0; i < d.count; ++i) {
      const std::string why = why_unfit(i);
      if (!why.empty()) d = {i, why};
    }
    return d;
  }();
  return found;
}

// The stream of the innermost StreamGuard. It counts on its own device only.
struct Guarded {
  int device = -1;
  cudaStream_t stream = nullptr;
};
thread_local Guarded guarded;

}  // namespace

std::string why_unfit(int ordinal) {
  constexpr int kOldest = 8;
  const std::string card = "card " + std::to_string(ordinal);
  int major = 0, minor = 0;
  for (const auto& [value, attribute] :
       {std::pair{&major, cudaDevAttrComputeCapabilityMajor}, std::pair{&minor, cudaDevAttrComputeCapabilityMinor}}) {
    const cudaError_t status = cudaDeviceGetAttribute(value, attribute, ordinal);
    ignore(status);
    if (status != cudaSuccess) return card + " does not answer: " + cudaGetErrorString(status);
  }
  if (major >= kOldest) return "";
  return card + " has compute capability " + std::to_string(major) + "." + std::to_string(minor) +
         ", the kernels need 8.0";
}

int device_count() { return devices().count; }
const std::string& why_no_device() { return devices().why_none; }

void expect_device(int index) {
  if (index < 0 || index >= device_count()) {
    throw DeviceError("[cuda] expected one of " + std::to_string(device_count()) + " devices, got cuda:" +
                      std::to_string(index) + (why_no_device().empty() ? "" : " (" + why_no_device() + ")"));
  }
}

void use_device(int index) {
  expect_device(index);
  check(cudaSetDevice(index), "cudaSetDevice");
}

int current_device() {
  int index = 0;
  check(cudaGetDevice(&index), "cudaGetDevice");
  return index;
}

void expect_live_device() {
  if (device_count() == 0) return;
  // Asks the compute stream: a library may also fail during a capture, and a stream that records must not be queried.
  const cudaError_t status = cudaStreamQuery(device_state(current_device()).compute.get());
  status == cudaErrorNotReady ? ignore(status) : check(status, "cudaStreamQuery");
}

cudaStream_t current_stream() {
  const int device = current_device();
  return guarded.device == device ? guarded.stream : device_state(device).compute.get();
}

bool stream_is_capturing() {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(current_stream(), &status), "cudaStreamIsCapturing");
  return status != cudaStreamCaptureStatusNone;
}

// ---- Event

Event::Event(Timing timing) {
  const unsigned flags = timing == Timing::on ? cudaEventDefault : cudaEventDisableTiming;
  check(cudaEventCreateWithFlags(&event_, flags), "cudaEventCreate");
}
Event::~Event() {
  if (event_ != nullptr) ignore(cudaEventDestroy(event_));
}
void Event::record(cudaStream_t stream) const { check(cudaEventRecord(event_, stream), "cudaEventRecord"); }
void Event::synchronize() const { check(cudaEventSynchronize(event_), "cudaEventSynchronize"); }
bool Event::is_done() const {
  const cudaError_t status = cudaEventQuery(event_);
  if (status == cudaErrorNotReady) {
    ignore(status);
    return false;
  }
  check(status, "cudaEventQuery");
  return true;
}

float milliseconds_between(const Event& start, const Event& stop) {
  stop.synchronize();
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, start.get(), stop.get()), "cudaEventElapsedTime");
  return milliseconds;
}

// ---- Stream

Stream::Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate"); }
Stream::~Stream() {
  if (stream_ != nullptr) ignore(cudaStreamDestroy(stream_));
}
void Stream::synchronize() const { check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }
void Stream::wait(const Event& event) const {
  check(cudaStreamWaitEvent(stream_, event.get(), 0), "cudaStreamWaitEvent");
}

const Stream& to_device_stream() { return device_state(current_device()).to_device; }
const Stream& to_host_stream() { return device_state(current_device()).to_host; }

StreamGuard::StreamGuard(const Stream& stream) : device_before_(guarded.device), before_(guarded.stream) {
  guarded = {current_device(), stream.get()};
}
StreamGuard::~StreamGuard() { guarded = {device_before_, before_}; }

// ---- PinnedBuffer

void* allocate_pinned(std::size_t size, unsigned flags) {
  void* data = nullptr;
  const cudaError_t status = cudaHostAlloc(&data, size, flags);
  if (status == cudaErrorMemoryAllocation) {
    ignore(status);
    throw MemoryError("[allocate] the host has no " + std::to_string(size) + " bytes left that can be page-locked");
  }
  check(status, "cudaHostAlloc");
  return data;
}

PinnedBuffer::PinnedBuffer(std::size_t size) : size_(size) {
  if (size == 0) return;
  data_ = static_cast<std::byte*>(allocate_pinned(size, cudaHostAllocPortable));
}
PinnedBuffer::~PinnedBuffer() {
  if (data_ != nullptr) ignore(cudaFreeHost(data_));
}

}  // namespace hop::kernels::cuda
