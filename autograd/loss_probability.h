// Differentiable losses of probabilities, by PyTorch's names and rules. x and target have one shape, any (ShapeError).
// With Reduction::none the losses have this shape. A mean over no elements is NaN. The target gets a gradient, too.
#pragma once

#include "autograd/reduction.h"
#include "tensor/tensor.h"

namespace hop {

struct BCELossOptions {
  Tensor weight = {};  ///< the factor of each loss, broadcast to x. The mean divides by the number of elements
  Reduction reduction = Reduction::mean;
};
/// -target log x - (1 - target) log(1 - x), for probabilities x, floating. Both logarithms are at least -100, also in
/// the gradient of the target (PyTorch: infinite at 0 and 1), and the divisor x (1 - x) of the gradient of x is at
/// least 1e-12. Values are not checked: outside 0..1 the loss is NaN (PyTorch reads all values and refuses them).
Tensor binary_cross_entropy(const Tensor& x, const Tensor& target, const BCELossOptions& options = {});

struct BCEWithLogitsLossOptions {
  Tensor weight = {};  ///< as in BCELossOptions
  Reduction reduction = Reduction::mean;
  Tensor pos_weight = {};  ///< the factor of target log p, for rare positives; broadcasts to x: (K) for K columns
};
/// binary_cross_entropy() of p = sigmoid(x), finite for any finite x.
Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target,
                                        const BCEWithLogitsLossOptions& options = {});

struct KLDivLossOptions {
  /// batchmean gives the divergence of distributions (N, C); mean divides by C, too.
  Reduction reduction = Reduction::mean;
  bool log_target = false;  ///< the target, too, is a logarithm
};
/// target (log target - x), for log probabilities x: the pointwise divergence of Kullback and Leibler. A target of 0
/// gives 0 and gets the gradient -x (PyTorch: NaN). Throws ShapeError for a batchmean of x ().
Tensor kl_div(const Tensor& x, const Tensor& target, const KLDivLossOptions& options = {});

}  // namespace hop
