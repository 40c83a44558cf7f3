// The function that the CPU supplies for kernels/sort.h. There is no kernel for a GPU yet.
#pragma once

#include "kernels/operations_internal.h"
#include "tensor/tensor.h"

namespace hop::kernels {

struct SortOperations {
  static const SortOperations cpu;

  /// order = the stable order of x along its last dimension. x and order have one shape and are contiguous.
  void (*argsort)(const Tensor& x, bool descending, const Tensor& order);
};

}  // namespace hop::kernels
