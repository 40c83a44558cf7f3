// The functions that a device supplies for batch_norm of kernels/norm.h. x (N, C, ..) has elements and any strides, as
// all operands; weight and bias may be undefined. Results of x's shape are contiguous, or in kept_layout(x).
#pragma once

#include "kernels/norm.h"
#include "kernels/operations_internal.h"

namespace hop::kernels {

struct BatchNormOperations {
  static const BatchNormOperations cpu, cuda;

  /// Writes all of `result`.
  void (*batch_norm)(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const BatchNormTail& tail,
                     const NormResult& result);
  /// Writes all of `grads`: dweight and dbias are defined if weight is, dresidual if tail.y is. dx, or with dresidual
  /// that one, may be g.
  void (*batch_norm_grad)(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd, const BatchNormTailGrad& tail, const NormGrads& grads);
  void (*batch_norm_apply)(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                           const Tensor& rstd, const Tensor& y);
};

}  // namespace hop::kernels
