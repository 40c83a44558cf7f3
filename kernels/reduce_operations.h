// The functions that a device supplies for kernels/reduce.h.
#pragma once

#include <array>

#include "kernels/operations_internal.h"
#include "kernels/shapes_internal.h"
#include "tensor/tensor.h"

namespace hop::kernels {

/// Which dimensions are reduced.
using DimSet = std::array<bool, kMaxDims>;

struct ReduceOperations {
  static const ReduceOperations cpu, cuda;

  /// Reduces the dimensions of x in `dims` into y of the result's dtype. x: any strides, may be empty (but for max and
  /// min). mean and var want a floating x; `correction` is for var alone.
  void (*reduce)(Reduction op, const Tensor& x, const DimSet& dims, const Tensor& y, double correction);
  /// y_i = index of the first maximum of row i of x, contiguous rows of `length` > 0. A NaN is the maximum.
  void (*argmax)(const Tensor& x, std::int64_t length, const Tensor& y);
};

}  // namespace hop::kernels
