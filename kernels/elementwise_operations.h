// The functions that a device supplies for kernels/elementwise.h.
#pragma once

#include <span>

#include "kernels/elementwise.h"
#include "kernels/operations_internal.h"

namespace hop::kernels {

struct ElementwiseOperations {
  static const ElementwiseOperations cpu, cuda;

  /// Computes the call in `compute` into `out`, of the broadcast shape of the inputs (any strides, any dtypes in which
  /// operations compute). `out` is contiguous; if keeps_channels_last() of the device, `out` may have that layout.
  void (*elementwise)(const detail::Call& call, DType compute, const Tensor& out, std::span<const Input> inputs);
};

}  // namespace hop::kernels
