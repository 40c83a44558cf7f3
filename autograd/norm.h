// Differentiable normalisation.
#pragma once

#include "kernels/norm.h"
#include "tensor/tensor.h"

namespace hop {

/// Normalises over the last dimensions, those of `normalized_shape` (Ba, Kiros & Hinton 2016), then scales and shifts
/// by weight and bias of that shape (both or neither).
Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

struct BatchNormResult {
  Tensor y{};
  Tensor mean{};  ///< (C), without gradient: for the running statistics
  Tensor var{};   ///< (C), biased, without gradient
};
/// Training: x (N, C, H, W) or (N, C), normalised per channel by the statistics of this batch (Ioffe & Szegedy 2015).
/// weight and bias (C), both or neither. What follows in many nets costs no passes of its own as a tail, and gives the
/// same bits: batch_norm(x, weight, bias, eps, {.residual = shortcut, .relu = true}) for relu(batch_norm(x) +
/// shortcut). (Where x has yet another reader, its gradient has three addends, and their order may differ.)
BatchNormResult batch_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5,
                           const BatchNormTail& tail = {});

/// Evaluation: the same with given statistics (C), which are constants.
Tensor batch_norm_eval(const Tensor& x, const Tensor& mean, const Tensor& var, const Tensor& weight = {},
                       const Tensor& bias = {}, double eps = 1e-5);

}  // namespace hop
