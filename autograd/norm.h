// Differentiable normalisation.
#pragma once

#include "kernels/norm.h"
#include "tensor/tensor.h"

namespace hop {

/// Normalises x (.., normalized_shape) over its last dimensions, those of `normalized_shape` (Ba, Kiros & Hinton 2016),
/// then scales and shifts by weight and bias of that shape. Undefined weight and bias count as 1 and 0. Result in x's
/// shape and dtype. Equal dtypes, or operands of bf16, f16 and f32 (kernels/norm.h). Throws ShapeError, DtypeError;
/// ConfigError unless eps is finite and at least 0.
Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

struct BatchNormResult {
  Tensor y{};
  Tensor mean{};  ///< (C), without gradient: for the running statistics; f32 for an x of bf16 or f16
  Tensor var{};   ///< (C), biased, without gradient, of mean's dtype
};
/// Training: x (N, C, ..), normalised per channel by the statistics of this batch (Ioffe & Szegedy 2015).
/// weight and bias (C); undefined, they count as 1 and 0. Throws as layer_norm(), and ShapeError for an x without
/// values. A tail fuses the operations that often follow, with the same bits: batch_norm(x, weight, bias, eps,
/// {.residual = shortcut, .relu = true}) is relu(batch_norm(x) + shortcut). (Of bf16 and f16 the fused ones round once,
/// at the end. If x has another reader, its gradient has
/// three addends, and their order may differ.)
BatchNormResult batch_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5,
                           const BatchNormTail& tail = {});

/// Evaluation: normalises by given statistics mean and var (C), which are constants. Other arguments and errors as in
/// batch_norm().
Tensor batch_norm_eval(const Tensor& x, const Tensor& mean, const Tensor& var, const Tensor& weight = {},
                       const Tensor& bias = {}, double eps = 1e-5);

}  // namespace hop
