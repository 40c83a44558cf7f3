// How an entry of a stem's table finds its card. When a function of kernels/cuda is called, the current device is that
// of its tensors. It gives its work to current_stream() and never waits, so that it may run inside a stream capture.
#pragma once

#include "kernels/cuda/runtime.h"
#include "tensor/tensor.h"

namespace hop::kernels::cuda {

inline const Tensor& first_tensor(const Tensor& x, const auto&...) { return x; }
inline const Tensor& first_tensor(const auto&, const auto&... rest) { return first_tensor(rest...); }

template <auto operation, class Function = decltype(operation)>
struct OnDevice;
template <auto operation, class Result, class... Args>
struct OnDevice<operation, Result (*)(Args...)> {
  static Result call(Args... args) {
    // conv2d's first tensor may be the one that it writes, but is never undefined
    use_device(first_tensor(args...).device().index);
    return operation(args...);
  }
};

/// `operation`, with the current device set to that of its first tensor.
template <auto operation>
inline constexpr auto on_device = &OnDevice<operation>::call;

}  // namespace hop::kernels::cuda
