// Softmax and the fused softmax + cross-entropy, over the last dimension, of floating numbers (bf16 and f16 are
// computed in f32 and rounded once). Values are shifted by the row's maximum, so that +-1e4 does not overflow. -inf
// among finite values gives 0. A row of -inf alone, or with +inf or NaN, gives NaN (as in PyTorch). The bits are a
// function of values and shape alone.
#pragma once

#include <optional>

#include "tensor/tensor.h"

namespace hop::kernels {

/// y_i = exp(x_i - max x) / sum_j exp(x_j - max x). x (..., C) float -> (..., C). x () counts as one row of one value.
/// An x without values gives a result without values.
Tensor softmax(const Tensor& x);
/// dx = y * (g - sum_j g_j y_j)
Tensor softmax_grad(const Tensor& g, const Tensor& y);
/// y_i = x_i - max x - log sum_j exp(x_j - max x)
Tensor log_softmax(const Tensor& x);
/// dx = g - exp(y) * sum_j g_j
Tensor log_softmax_grad(const Tensor& g, const Tensor& y);

struct CrossEntropyResult {
  Tensor loss{};               ///< () mean of -log_softmax(x)[label] over the rows; NaN for no rows
  Tensor log_probabilities{};  ///< (N, C), for the backward pass
};
/// x (N, C) float, labels (N) i64 in 0..C-1 (IndexError otherwise).
CrossEntropyResult cross_entropy(const Tensor& x, const Tensor& labels);
/// dx = g / N * (softmax(x) - one_hot(labels)); g is ().
Tensor cross_entropy_grad(const Tensor& g, const Tensor& log_probabilities, const Tensor& labels);

struct FusedCrossEntropy {
  Tensor loss{};  ///< () as in CrossEntropyResult
  Tensor dx{};    ///< (N, C) cross_entropy_grad() for g = 1
};
/// The loss and its gradient in one pass over x, with the bits of cross_entropy() and cross_entropy_grad(). Nothing if
/// x's device has no such pass. The CPU has none: its gradients for a g other than 1 would change their bits. Arguments
/// and errors as in cross_entropy(). Floor: one read and one write of x. The two functions take two of each.
std::optional<FusedCrossEntropy> cross_entropy_fused(const Tensor& x, const Tensor& labels);

}  // namespace hop::kernels
