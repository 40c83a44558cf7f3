// cuDNN's backend interface for C++: functions found at run time, descriptors with owners. The interface is one kind of
// object with attributes (NVIDIA cuDNN backend API, "Graph API: cudnn_graph library"): make it, set attributes,
// finalize, read attributes.
#pragma once

#if !defined(HOP_SIMT) && __has_include(<cudnn_graph.h>)
#define HOP_HAS_CUDNN
#include <cudnn_graph.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/half_internal.h"

namespace hop::kernels::cuda::dnn {

struct Functions {
#define HOP_DNN_FUNCTIONS(f)                                                                      \
  f(cudnnCreate) f(cudnnDestroy) f(cudnnSetStream) f(cudnnGetVersion) f(cudnnGetErrorString)      \
      f(cudnnGetLastErrorString) f(cudnnBackendCreateDescriptor) f(cudnnBackendDestroyDescriptor) \
          f(cudnnBackendSetAttribute) f(cudnnBackendGetAttribute) f(cudnnBackendFinalize) f(cudnnBackendExecute)
#define HOP_DECLARE(name) decltype(&::name) name = nullptr;
  HOP_DNN_FUNCTIONS(HOP_DECLARE)
#undef HOP_DECLARE
  std::string why_not;  // "" if all were found
};

/// The functions; the first call looks for the library.
const Functions& functions();

/// Throws CudaError unless `status` is success; `call` is the call that returned it.
void check(cudnnStatus_t status, const char* call);

/// This thread's handle of the current device, on its current stream; destroyed with the thread. Throws CudaError;
/// DeviceError without cuDNN.
cudnnHandle_t handle();

/// cuDNN's name for the dtype of a convolution's tensors.
inline cudnnDataType_t data_type_of(Precision precision) {
  if (precision == Precision::bf16) return CUDNN_DATA_BFLOAT16;
  return precision == Precision::f16 ? CUDNN_DATA_HALF : CUDNN_DATA_FLOAT;
}

/// cuDNN's name for the type of an attribute.
template <class T>
constexpr cudnnBackendAttributeType_t type_of();
template <>
constexpr cudnnBackendAttributeType_t type_of<std::int64_t>() {
  return CUDNN_TYPE_INT64;
}
template <>
constexpr cudnnBackendAttributeType_t type_of<float>() {
  return CUDNN_TYPE_FLOAT;
}
template <>
constexpr cudnnBackendAttributeType_t type_of<char>() {
  return CUDNN_TYPE_CHAR;
}
template <>
constexpr cudnnBackendAttributeType_t type_of<void*>() {
  return CUDNN_TYPE_VOID_PTR;
}
template <>
constexpr cudnnBackendAttributeType_t type_of<cudnnHandle_t>() {
  return CUDNN_TYPE_HANDLE;
}
template <>
constexpr cudnnBackendAttributeType_t type_of<cudnnDataType_t>() {
  return CUDNN_TYPE_DATA_TYPE;
}
template <>
constexpr cudnnBackendAttributeType_t type_of<cudnnConvolutionMode_t>() {
  return CUDNN_TYPE_CONVOLUTION_MODE;
}
template <>
constexpr cudnnBackendAttributeType_t type_of<cudnnBackendHeurMode_t>() {
  return CUDNN_TYPE_HEUR_MODE;
}
template <>
constexpr cudnnBackendAttributeType_t type_of<cudnnBackendNumericalNote_t>() {
  return CUDNN_TYPE_NUMERICAL_NOTE;
}
template <>
constexpr cudnnBackendAttributeType_t type_of<cudnnBackendBehaviorNote_t>() {
  return CUDNN_TYPE_BEHAVIOR_NOTE;
}

class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type);

  template <class T>
  Descriptor& set(cudnnBackendAttributeName_t name, const T& value) {
    return set(name, type_of<T>(), 1, &value);
  }
  template <class T>
  Descriptor& set(cudnnBackendAttributeName_t name, std::span<const T> values) {
    return set(name, type_of<T>(), static_cast<std::int64_t>(values.size()), values.data());
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& other);
  /// Throws CudaError with cuDNN's own explanation.
  Descriptor& finalize();
  /// finalize() for descriptors that cuDNN may refuse (heuristics, plans): false if cuDNN does not support them. An
  /// incomplete installation is an error, because other engines give other bits.
  bool try_finalize();

  std::int64_t get_int(cudnnBackendAttributeName_t name) const;
  template <class T>
  std::vector<T> get_all(cudnnBackendAttributeName_t name, std::int64_t at_most) const {
    std::vector<T> values(static_cast<std::size_t>(at_most));
    values.resize(get(name, type_of<T>(), at_most, values.data()));
    return values;
  }
  /// The descriptors of an attribute, each of `type`.
  std::vector<Descriptor> get_descriptors(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type,
                                          std::int64_t at_most) const;

  cudnnBackendDescriptor_t raw() const { return raw_.get(); }

 private:
  struct Destroy {
    using pointer = cudnnBackendDescriptor_t;
    void operator()(cudnnBackendDescriptor_t d) const { functions().cudnnBackendDestroyDescriptor(d); }
  };
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                  const void* values);
  std::size_t get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                  void* values) const;

  std::unique_ptr<void, Destroy> raw_;
};

}  // namespace hop::kernels::cuda::dnn
#endif
