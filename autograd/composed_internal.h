// Checks and pieces that the operations composed of other operations share.
#pragma once

#include <cmath>
#include <string>

#include "autograd/elementwise.h"
#include "base/error.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/reduce.h"
#include "tensor/tensor.h"

namespace hop::autograd {

/// The beginning of a message: "[op] expected ".
inline std::string expected(const char* op) { return "[" + std::string(op) + "] expected "; }

/// `dim` of x as 0..rank-1. Throws Error for an undefined x, ShapeError for an x of shape (), IndexError.
inline int existing_dim(const char* op, const Tensor& x, std::int64_t dim) {
  kernels::expect_defined(op, x);
  if (x.dim() == 0) throw ShapeError(expected(op) + "a tensor with dimensions, got " + x.describe());
  return normalize_dim(dim, x.dim(), op);
}

/// x is defined, and `dims` names dimensions of x, each at most once (Error, IndexError).
inline void expect_dims(const char* op, const Tensor& x, const Dims& dims) {
  kernels::expect_defined(op, x);
  kernels::named_dims(op, x.dim(), dims);
}

/// Each result of a reduction over `dims` has at least one value to reduce (ShapeError).
inline void expect_values(const char* op, const Tensor& x, const Dims& dims) {
  if (x.numel() != 0 || kernels::reduce_shape(x.shape(), dims, false).numel() == 0) return;
  throw ShapeError(expected(op) + "at least one value to reduce, got " + x.describe());
}

/// x has `rank` dimensions (Error, ShapeError). `form` is "a matrix (m, k)".
inline void expect_rank(const char* op, const char* form, const Tensor& x, int rank) {
  kernels::expect_defined(op, x);
  if (x.dim() != rank) throw ShapeError(expected(op) + form + ", got " + x.describe());
}

/// The values of x, contiguous, for the host to read. Throws StateError while a step is captured.
inline Tensor on_host(const char* op, const Tensor& x) {
  if (is_capturing())
    throw StateError(expected(op) + "no capture: the host reads values, and a captured step cannot read them");
  return kernels::to_device(kernels::contiguous(x), Device::cpu());
}

/// x^exponent for x >= 0. At x = 0 the gradient is 0, where that of pow() would be NaN or infinite.
inline Tensor power_from_zero(const Tensor& x, double exponent) {
  const Tensor is_zero = kernels::eq(x, 0);
  const Tensor safe = where(is_zero, 1.0, x);
  return where(is_zero, exponent > 0 ? 0.0 : HUGE_VAL, exponent == 0.5 ? sqrt(safe) : pow(safe, exponent));
}

}  // namespace hop::autograd
