// How the host side of a kernel prepares its tensors before it takes their addresses.
#pragma once

#include "kernels/copy.h"
#include "tensor/tensor.h"

namespace hop::kernels::cuda {

/// Calls f(zero of x's dtype), f32 or f64.
template <class F>
void visit_floating(const Tensor& x, const F& f) {
  x.dtype() == DType::f32 ? f(float{}) : f(double{});
}

/// x contiguous; undefined stays undefined.
inline Tensor dense(const Tensor& x) { return x.defined() ? contiguous(x) : x; }

/// Null if x is undefined.
template <class T>
T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

}  // namespace hop::kernels::cuda
