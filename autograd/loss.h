// Differentiable losses, each a tensor of shape ().
#pragma once

#include "tensor/tensor.h"

namespace hop {

/// The mean over rows of -log softmax(x)[label], fused. x (N, C) logits, floating, C > 0; labels (N) i64 in 0..C-1. NaN
/// for no rows. If x requires a gradient, a GPU computes the gradient in the same pass over x. Throws ShapeError,
/// DtypeError; IndexError for a label out of range (on a GPU when the host next waits).
Tensor cross_entropy(const Tensor& x, const Tensor& labels);
/// The mean over rows of -log_probabilities[label]: nll_loss(log_softmax(x), labels) is cross_entropy(x, labels).
/// log_probabilities (N, C), labels (N) i64. Throws as cross_entropy().
Tensor nll_loss(const Tensor& log_probabilities, const Tensor& labels);
/// The mean of (x - target)^2. x and target of one shape, any: otherwise throws ShapeError.
Tensor mse_loss(const Tensor& x, const Tensor& target);

}  // namespace hop
