// The functions that a device supplies for the products of kernels/matmul.h.
#pragma once

#include "kernels/operations_internal.h"
#include "tensor/tensor.h"

namespace hop::kernels {

struct MatmulOperations {
  static const MatmulOperations cpu, cuda;

  /// y (.., m, n) = a (.., m, k) b (.., k, n) + bias (n). Any strides in a and b; leading dimensions broadcast; y may
  /// leave out dimensions of size 1; k may be 0; bias may be undefined. `op` names the call in errors.
  void (*matmul)(const char* op, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y);
};

}  // namespace hop::kernels
