// The functions that a device supplies for kernels/group_norm.h. Tensors are contiguous; weight and bias may be
// undefined.
#pragma once

#include "kernels/norm.h"
#include "kernels/operations_internal.h"

namespace hop::kernels {

struct GroupNormOperations {
  static const GroupNormOperations cpu, cuda;

  /// Writes result.y, .mean and .rstd.
  void (*group_norm)(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const NormResult& result);
  /// Writes grads.dx, and with a weight .dweight and .dbias.
  void (*group_norm_grad)(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd, const NormGrads& grads);
};

}  // namespace hop::kernels
