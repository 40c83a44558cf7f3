// Differentiable losses of numbers, by PyTorch's names and rules. x and target have one shape, any; other shapes throw
// ShapeError (PyTorch broadcasts them, with a warning), but for gaussian_nll_loss(). With Reduction::none the losses
// have this shape. A mean over no elements is NaN. All throw ConfigError for an option that has no meaning.
#pragma once

#include "autograd/reduction.h"
#include "tensor/tensor.h"

namespace hop {

struct ElementLossOptions {
  Reduction reduction = Reduction::mean;
  Tensor weight = {};  ///< the factor of each loss, broadcast to x. The mean divides by the sum of the factors
};
/// (x - target)^2.
Tensor mse_loss(const Tensor& x, const Tensor& target, const ElementLossOptions& options = {});
/// |x - target|, whose gradient at 0 is 0.
Tensor l1_loss(const Tensor& x, const Tensor& target, const ElementLossOptions& options = {});

struct SmoothL1LossOptions {
  Reduction reduction = Reduction::mean;
  double beta = 1;  ///< at least 0; 0 is l1_loss()
};
/// d^2 / (2 beta) where d = |x - target| is below beta, else d - beta / 2 (Girshick 2015).
Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, const SmoothL1LossOptions& options = {});

struct HuberLossOptions {
  Reduction reduction = Reduction::mean;
  double delta = 1;    ///< above 0
  Tensor weight = {};  ///< the factor of each loss, broadcast to x. The mean divides by the number of elements
};
/// d^2 / 2 where d = |x - target| is at most delta, else delta (d - delta / 2) (Huber 1964).
Tensor huber_loss(const Tensor& x, const Tensor& target, const HuberLossOptions& options = {});

struct PoissonNLLLossOptions {
  bool log_input = true;  ///< the rate is exp(x); otherwise it is x, and the logarithm is that of x + eps
  bool full = false;      ///< adds Stirling's approximation of log target! for targets above 1
  double eps = 1e-8;
  Reduction reduction = Reduction::mean;
};
/// rate - target log rate, for counts.
Tensor poisson_nll_loss(const Tensor& x, const Tensor& target, const PoissonNLLLossOptions& options = {});

struct GaussianNLLLossOptions {
  bool full = false;  ///< adds log(2 pi) / 2
  double eps = 1e-6;  ///< above 0: the least variance. Below it the loss is that of eps
  Reduction reduction = Reduction::mean;
};
/// (log var + (x - target)^2 / var) / 2 (Nix and Weigend 1994). x and target broadcast, as in PyTorch. var has x's
/// shape, or the size 1 in one dimension, or lacks the last dimension. Below eps the gradient of var is that at eps, as
/// in PyTorch. Negative variances count as eps (PyTorch reads all values and refuses them).
Tensor gaussian_nll_loss(const Tensor& x, const Tensor& target, const Tensor& var,
                         const GaussianNLLLossOptions& options = {});
/// One variance for all. Throws ConfigError for a negative one.
Tensor gaussian_nll_loss(const Tensor& x, const Tensor& target, double var, const GaussianNLLLossOptions& options = {});

}  // namespace hop
