// The functions that a device supplies for kernels/copy.h.
#pragma once

#include "kernels/operations_internal.h"
#include "tensor/scalar.h"
#include "tensor/tensor.h"

namespace hop::kernels {

struct CopyOperations {
  static const CopyOperations cpu, cuda;

  /// y <- x, broadcast to y's shape and converted. Any strides on both sides; the two share no bytes. May be empty.
  void (*copy)(const Tensor& y, const Tensor& x);
  /// y <- value. Any strides; may be empty.
  void (*fill)(const Tensor& y, Scalar value);
  /// y_i = i, any dtype.
  void (*arange)(const Tensor& y);
};

}  // namespace hop::kernels
