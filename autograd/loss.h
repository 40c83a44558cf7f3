// Differentiable losses: what an optimizer makes small.
#pragma once

#include "tensor/tensor.h"

namespace hop {

/// The mean over rows of -log softmax(x)[label], fused. x (N, C) logits, labels (N) i64. A scalar; NaN for no rows.
Tensor cross_entropy(const Tensor& x, const Tensor& labels);
/// The mean over rows of -log_probabilities[label]: cross_entropy for what log_softmax() gave.
Tensor nll_loss(const Tensor& log_probabilities, const Tensor& labels);
/// The mean of (x - target)^2. Equal shapes, or ShapeError.
Tensor mse_loss(const Tensor& x, const Tensor& target);

}  // namespace hop
