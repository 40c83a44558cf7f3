// Errors, devices and memory of the runtime API.
#include "kernels/simt/runtime.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/simt/memory_internal.h"
#include "kernels/simt/runtime_internal.h"

namespace {

struct ErrorText {
  cudaError_t error;
  const char *name, *text;
};
constexpr std::array kErrors = {
    ErrorText{cudaSuccess, "cudaSuccess", "no error"},
    ErrorText{cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    ErrorText{cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    ErrorText{cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    ErrorText{cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    ErrorText{cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    ErrorText{cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    ErrorText{cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    ErrorText{cudaErrorIllegalState, "cudaErrorIllegalState", "the operation cannot be performed in the present state"},
    ErrorText{cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    ErrorText{cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    ErrorText{cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    ErrorText{cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
              "operation not permitted when stream is capturing"},
    ErrorText{cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
              "operation failed due to a previous error during capture"},
    ErrorText{cudaErrorStreamCaptureMerge, "cudaErrorStreamCaptureMerge",
              "operation would result in a merge of separate capture sequences"},
    ErrorText{cudaErrorStreamCaptureUnmatched, "cudaErrorStreamCaptureUnmatched",
              "capture was not ended in the same stream as it began"},
    ErrorText{cudaErrorStreamCaptureUnjoined, "cudaErrorStreamCaptureUnjoined", "capturing stream has unjoined work"},
    ErrorText{cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
              "dependency created on uncaptured work in another stream"},
    ErrorText{cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
              "operation would make the legacy stream depend on a capturing blocking stream"},
    ErrorText{cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
              "operation not permitted on an event last recorded in a capturing stream"},
    ErrorText{cudaErrorStreamCaptureWrongThread, "cudaErrorStreamCaptureWrongThread",
              "attempt to terminate a thread-local capture sequence from another thread"},
    ErrorText{cudaErrorUnknown, "cudaErrorUnknown", "unknown error"},
};

const ErrorText* find(cudaError_t error) {
  for (const ErrorText& entry : kErrors) {
    if (entry.error == error) return &entry;
  }
  return nullptr;
}

constinit thread_local cudaError_t last_error = cudaSuccess;
constinit thread_local int current_device = 0;

using hop::simt::device_memory;
using hop::simt::DeviceMemory;
using hop::simt::enqueue;
using hop::simt::options;
using hop::simt::refuse_while_capturing;
using hop::simt::result;

// Whether [data, data + size) lies where the copy's kind says.
bool lies_in(const void* data, std::size_t size, bool on_device, bool anywhere) {
  const DeviceMemory::Place place = device_memory().place(data, size);
  if (place == DeviceMemory::Place::crosses) return false;
  return anywhere || (place == DeviceMemory::Place::device) == on_device;
}

cudaError_t check_copy(const void* to, const void* from, std::size_t size, cudaMemcpyKind kind) {
  if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) return cudaErrorInvalidValue;
  if (size == 0) return cudaSuccess;
  if (to == nullptr || from == nullptr) return cudaErrorInvalidValue;
  const bool anywhere = kind == cudaMemcpyDefault;
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  const bool fits = lies_in(to, size, to_device, anywhere) && lies_in(from, size, from_device, anywhere);
  return fits ? cudaSuccess : cudaErrorInvalidValue;
}

// Page-locked host memory is plain host memory here. The live ranges are known, so that freeing twice fails, and so
// that copies from and to other host memory are recognised.
class Pinned {
 public:
  void add(void* data, std::size_t size) {
    const std::scoped_lock lock(mutex_);
    live_[static_cast<std::byte*>(data)] = size;
  }
  bool remove(void* data) {
    const std::scoped_lock lock(mutex_);
    return live_.erase(static_cast<std::byte*>(data)) == 1;
  }
  bool contains(const void* data) {
    const std::scoped_lock lock(mutex_);
    const auto* const at = static_cast<const std::byte*>(data);
    const auto above = live_.upper_bound(const_cast<std::byte*>(at));
    return above != live_.begin() && at < std::prev(above)->first + std::prev(above)->second;
  }

 private:
  std::mutex mutex_;
  std::map<std::byte*, std::size_t> live_;
};
Pinned& pinned() {
  static Pinned& all = *new Pinned;
  return all;
}

}  // namespace

namespace hop::simt {

cudaError_t result(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

cudaError_t lost() { return static_cast<cudaError_t>(options().lost); }

Handles& handles() {
  static Handles& all = *new Handles;
  return all;
}

}  // namespace hop::simt

// ---- Errors

const char* cudaGetErrorName(cudaError_t error) {
  const ErrorText* entry = find(error);
  return entry == nullptr ? "unrecognized error code" : entry->name;
}
const char* cudaGetErrorString(cudaError_t error) {
  const ErrorText* entry = find(error);
  return entry == nullptr ? "unrecognized error code" : entry->text;
}
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return last_error; }

// ---- Devices

cudaError_t cudaGetDeviceCount(int* count) {
  *count = options().devices;
  return result(options().devices == 0 ? cudaErrorNoDevice : cudaSuccess);
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= options().devices) return result(cudaErrorInvalidDevice);
  current_device = device;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= options().devices) return result(cudaErrorInvalidDevice);
  *properties = {
      .name = "SIMT executor",
      .totalGlobalMem = options().device_memory,
      .sharedMemPerBlock = 48U << 10U,
      .sharedMemPerBlockOptin = 99U << 10U,
      .sharedMemPerMultiprocessor = 100U << 10U,
      .regsPerBlock = 65536,
      .warpSize = 32,
      .maxThreadsPerBlock = 1024,
      .maxThreadsDim = {1024, 1024, 64},
      .maxGridSize = {2147483647, 65535, 65535},
      .major = options().compute_capability / 10,
      .minor = options().compute_capability % 10,
      .multiProcessorCount = 4,  // few, so that grid-stride loops run more than once
      .maxThreadsPerMultiProcessor = 1536,
      .l2CacheSize = 4 << 20,
      .memoryBusWidth = 128,
      .asyncEngineCount = 2,
      .integrated = 0,
  };
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp properties;
  if (const cudaError_t error = cudaGetDeviceProperties(&properties, device); error != cudaSuccess) return error;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = properties.maxThreadsPerBlock;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(properties.sharedMemPerBlock);
      return cudaSuccess;
    case cudaDevAttrWarpSize:
      *value = properties.warpSize;
      return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      *value = properties.multiProcessorCount;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = properties.major;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = properties.minor;
      return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(properties.sharedMemPerBlockOptin);
      return cudaSuccess;
  }
  return result(cudaErrorInvalidValue);
}

cudaError_t cudaDeviceSynchronize() {
  if (const cudaError_t refused = hop::simt::refuse_while_any_captures(); refused != cudaSuccess)
    return result(refused);
  hop::simt::queues().reach_all();
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) { return cudaRuntimeGetVersion(version); }

// ---- Memory

cudaError_t cudaMalloc(void** data, std::size_t size) {
  if (data == nullptr) return result(cudaErrorInvalidValue);
  if (const cudaError_t refused = refuse_while_capturing(); refused != cudaSuccess) return result(refused);
  *data = size == 0 ? nullptr : device_memory().allocate(size, options().device_memory);
  return result(size > 0 && *data == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}

cudaError_t cudaFree(void* data) {
  if (data == nullptr) return cudaSuccess;
  if (const cudaError_t refused = refuse_while_capturing(); refused != cudaSuccess) return result(refused);
  hop::simt::queues().reach_all_quietly();  // destructors call this, so it must not throw
  return result(device_memory().free(data) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaHostAlloc(void** data, std::size_t size, unsigned) {
  if (const cudaError_t refused = refuse_while_capturing(); refused != cudaSuccess) return result(refused);
  constexpr std::size_t kPage = 4096;
  *data = size == 0 || size > options().pinned_range ? nullptr
                                                     : std::aligned_alloc(kPage, (size + kPage - 1) / kPage * kPage);
  if (*data == nullptr) return result(size == 0 ? cudaSuccess : cudaErrorMemoryAllocation);
  pinned().add(*data, size);
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** data, std::size_t size) { return cudaHostAlloc(data, size, cudaHostAllocDefault); }

cudaError_t cudaFreeHost(void* data) {
  if (data == nullptr) return cudaSuccess;
  if (const cudaError_t refused = refuse_while_capturing(); refused != cudaSuccess) return result(refused);
  hop::simt::queues().reach_all_quietly();
  if (!pinned().remove(data)) return result(cudaErrorInvalidValue);
  std::free(data);
  return cudaSuccess;
}

cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned) {
  *device = host;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *total = options().device_memory;
  *free = *total - std::min(*total, device_memory().used());
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t size, cudaMemcpyKind kind) {
  if (const cudaError_t refused = refuse_while_capturing(); refused != cudaSuccess) return result(refused);
  return cudaMemcpyAsync(to, from, size, kind, nullptr);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t size, cudaMemcpyKind kind, cudaStream_t stream) {
  if (const cudaError_t wrong = check_copy(to, from, size, kind); wrong != cudaSuccess) return result(wrong);
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  if (const cudaError_t wrong = cudaStreamIsCapturing(stream, &status); wrong != cudaSuccess) return wrong;
  const bool runs = status == cudaStreamCaptureStatusNone && size > 0;
  const auto* const bytes = static_cast<const std::byte*>(from);
  const bool from_host = runs && lies_in(from, 1, false, false), to_host = runs && lies_in(to, 1, false, false);
  // The driver copies memory that is not pinned through its own pinned memory: such a copy has finished with the host
  // memory when the call returns.
  if (from_host && !to_host && !pinned().contains(from)) {
    return result(enqueue(stream, [to, taken = std::make_shared<const std::vector<std::byte>>(bytes, bytes + size)] {
      std::memcpy(to, taken->data(), taken->size());
    }));
  }
  const cudaError_t given = enqueue(stream, [=] {
    if (size > 0) std::memmove(to, from, size);
  });
  const bool is_waited_for = to_host && (from_host || !pinned().contains(to));
  if (given == cudaSuccess && is_waited_for) hop::simt::reach_end(stream);
  return result(given);
}

cudaError_t cudaMemset(void* to, int value, std::size_t size) {
  if (const cudaError_t refused = refuse_while_capturing(); refused != cudaSuccess) return result(refused);
  return cudaMemsetAsync(to, value, size, nullptr);
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t size, cudaStream_t stream) {
  if (size > 0 && !lies_in(to, size, true, false)) return result(cudaErrorInvalidValue);
  return result(enqueue(stream, [=] {
    if (size > 0) std::memset(to, value, size);
  }));
}
