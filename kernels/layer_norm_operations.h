// The functions that a device supplies for layer_norm of kernels/norm.h. x has elements and any strides, as all
// operands; weight and bias may be undefined.
#pragma once

#include "kernels/norm.h"
#include "kernels/operations_internal.h"

namespace hop::kernels {

struct LayerNormOperations {
  static const LayerNormOperations cpu, cuda;

  /// Writes result.y, .mean and .rstd; the last two have the shape of x's rows.
  void (*layer_norm)(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const NormResult& result);
  /// Writes grads.dx, and with a weight .dweight and .dbias.
  void (*layer_norm_grad)(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd, const NormGrads& grads);
};

}  // namespace hop::kernels
