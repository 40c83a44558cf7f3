// The function that a device supplies for kernels/sort.h.
#pragma once

#include "kernels/operations_internal.h"
#include "tensor/tensor.h"

namespace hop::kernels {

struct SortOperations {
  static const SortOperations cpu, cuda;

  /// order = the stable order of x along its last dimension. x and order have one shape and are contiguous. x is not
  /// bf16 or f16.
  void (*argsort)(const Tensor& x, bool descending, const Tensor& order);
};

}  // namespace hop::kernels
