#include "kernels/cuda/dnn_library_internal.h"

#ifdef HOP_HAS_CUDNN
#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "kernels/cuda/library.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda::dnn {

const Functions& functions() {
  static const Functions found = [] {
    Functions f;
    const std::string name = "libcudnn.so." + std::to_string(CUDNN_MAJOR);
    Library library({name.c_str()});
#define HOP_FIND(name) library.find(f.name, #name);
    HOP_DNN_FUNCTIONS(HOP_FIND)
#undef HOP_FIND
    f.why_not = library.why_not();
    return f;
  }();
  return found;
}

void check(cudnnStatus_t status, const char* call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  expect_live_device();
  std::array<char, 512> why{};
  functions().cudnnGetLastErrorString(why.data(), why.size());
  const int code = static_cast<int>(status);
  const std::string name = functions().cudnnGetErrorString(status);
  if (status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)
    throw MemoryError("[" + std::string(call) + "] " + name);
  throw CudaError("[" + std::string(call) + "] expected success, got " + name + " (" + std::to_string(code) + ": " +
                      why.data() + ")",
                  call, code, name);
}

namespace {

struct Destroy {
  using pointer = cudnnHandle_t;
  void operator()(cudnnHandle_t handle) const { functions().cudnnDestroy(handle); }
};

}  // namespace

cudnnHandle_t handle() {
  if (!functions().why_not.empty()) throw DeviceError("[cuDNN] " + functions().why_not);
  thread_local std::map<int, std::unique_ptr<void, Destroy>> handles;
  auto& handle = handles[current_device()];
  if (handle == nullptr) {
    cudnnHandle_t created = nullptr;
    check(functions().cudnnCreate(&created), "cudnnCreate");
    handle.reset(created);
  }
  check(functions().cudnnSetStream(handle.get(), current_stream()), "cudnnSetStream");
  return handle.get();
}

Descriptor::Descriptor(cudnnBackendDescriptorType_t type) {
  if (!functions().why_not.empty()) throw DeviceError("[cuDNN] " + functions().why_not);
  cudnnBackendDescriptor_t raw = nullptr;
  check(functions().cudnnBackendCreateDescriptor(type, &raw), "cudnnBackendCreateDescriptor");
  raw_.reset(raw);
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                            const void* values) {
  check(functions().cudnnBackendSetAttribute(raw(), name, type, count, values), "cudnnBackendSetAttribute");
  return *this;
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, const Descriptor& other) {
  const cudnnBackendDescriptor_t value = other.raw();
  return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

Descriptor& Descriptor::finalize() {
  check(functions().cudnnBackendFinalize(raw()), "cudnnBackendFinalize");
  return *this;
}
bool Descriptor::try_finalize() {
  const cudnnStatus_t status = functions().cudnnBackendFinalize(raw());
  const bool is_incomplete = status == CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDA_DRIVER ||
                             status == CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDART ||
                             status == CUDNN_STATUS_NOT_SUPPORTED_RUNTIME_PREREQUISITE_MISSING ||
                             status == CUDNN_STATUS_NOT_SUPPORTED_SUBLIBRARY_UNAVAILABLE;
  if (CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED && !is_incomplete) return false;
  check(status, "cudnnBackendFinalize");
  return true;
}

std::size_t Descriptor::get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                            void* values) const {
  std::int64_t got = 0;
  check(functions().cudnnBackendGetAttribute(raw(), name, type, count, &got, values), "cudnnBackendGetAttribute");
  return static_cast<std::size_t>(std::min(got, count));  // the count includes values that did not fit
}

std::int64_t Descriptor::get_int(cudnnBackendAttributeName_t name) const {
  std::int64_t value = 0;
  get(name, CUDNN_TYPE_INT64, 1, &value);
  return value;
}

std::vector<Descriptor> Descriptor::get_descriptors(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type,
                                                    std::int64_t at_most) const {
  std::vector<Descriptor> values;  // cuDNN fills descriptors that were made beforehand
  std::vector<cudnnBackendDescriptor_t> raw_values;
  for (std::int64_t i = 0; i < at_most; ++i) {
    values.emplace_back(type);
    raw_values.push_back(values.back().raw());
  }
  const std::size_t got = get(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, at_most, raw_values.data());
  while (values.size() > got) values.pop_back();
  return values;
}

}  // namespace hop::kernels::cuda::dnn
#endif
