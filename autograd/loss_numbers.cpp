#include "autograd/loss_numbers.h"

#include <cmath>
#include <numbers>
#include <string>

#include "autograd/elementwise.h"
#include "autograd/loss_internal.h"
#include "autograd/view.h"
#include "base/words.h"
#include "kernels/copy.h"

namespace hop {

using autograd::any_half;
using autograd::expect_equal_shapes;
using autograd::expected;
using autograd::in_f32;
using autograd::reduced;
using autograd::rounded_like;
using autograd::weighted;

namespace {

/// With a weight, the mean divides by the sum of the factors.
Tensor reduced_by_weight(const char* op, const Tensor& losses, const ElementLossOptions& options) {
  const Tensor all = weighted(op, losses, options.weight);
  if (!options.weight.defined() || options.reduction != Reduction::mean) return reduced(op, all, options.reduction);
  return sum(all) / sum(expand(to(options.weight, losses.dtype()), losses.shape()));
}

/// With c = d clamped to -delta..delta, both branches of the definition are c (d - c / 2). No |d| is in it, because its
/// slope at 0 would make the second derivative 0 there. Adding 0 makes -0 a 0.
Tensor huber(const Tensor& x, const Tensor& target, double delta) {
  const Tensor difference = x - target + 0.0;
  const Tensor clamped = clamp(difference, -delta, delta);
  return clamped * (difference - clamped * 0.5);
}

/// `var` in a shape that broadcasts to x's.
Tensor variances_for(const Tensor& x, const Tensor& var) {
  if (var.shape() == x.shape()) return var;
  const Tensor column = var.dim() + 1 == x.dim() ? unsqueeze(var, -1) : var;
  bool fits = column.dim() == x.dim();
  int others = 0;
  for (int i = 0; fits && i < x.dim(); ++i) {
    if (column.shape()[i] == x.shape()[i]) continue;
    fits = column.shape()[i] == 1 && ++others == 1;
  }
  if (fits) return column;
  throw ShapeError(expected("gaussian_nll_loss") + "variances like x " + x.shape().to_string() +
                   ", or with the size 1 in one dimension, got " + var.shape().to_string());
}

}  // namespace

Tensor mse_loss(const Tensor& x, const Tensor& target, const ElementLossOptions& options) {
  expect_equal_shapes("mse_loss", x, target);
  if (any_half(x, target)) return rounded_like(mse_loss(in_f32(x), in_f32(target), options), x, target);
  return reduced_by_weight("mse_loss", square(x - target), options);
}

Tensor l1_loss(const Tensor& x, const Tensor& target, const ElementLossOptions& options) {
  expect_equal_shapes("l1_loss", x, target);
  if (any_half(x, target)) return rounded_like(l1_loss(in_f32(x), in_f32(target), options), x, target);
  return reduced_by_weight("l1_loss", abs(x - target), options);
}

Tensor smooth_l1_loss(const Tensor& x, const Tensor& target, const SmoothL1LossOptions& options) {
  constexpr const char* kOp = "smooth_l1_loss";
  expect_equal_shapes(kOp, x, target);
  if (any_half(x, target)) return rounded_like(smooth_l1_loss(in_f32(x), in_f32(target), options), x, target);
  if (!(options.beta >= 0)) throw ConfigError(expected(kOp) + "a beta of at least 0, got " + shortest(options.beta));
  const Tensor losses = options.beta == 0 ? abs(x - target) : huber(x, target, options.beta) / options.beta;
  return reduced(kOp, losses, options.reduction);
}

Tensor huber_loss(const Tensor& x, const Tensor& target, const HuberLossOptions& options) {
  constexpr const char* kOp = "huber_loss";
  expect_equal_shapes(kOp, x, target);
  if (any_half(x, target)) return rounded_like(huber_loss(in_f32(x), in_f32(target), options), x, target);
  if (!(options.delta > 0)) throw ConfigError(expected(kOp) + "a delta above 0, got " + shortest(options.delta));
  return reduced(kOp, weighted(kOp, huber(x, target, options.delta), options.weight), options.reduction);
}

Tensor poisson_nll_loss(const Tensor& x, const Tensor& target, const PoissonNLLLossOptions& options) {
  constexpr const char* kOp = "poisson_nll_loss";
  expect_equal_shapes(kOp, x, target);
  if (any_half(x, target)) return rounded_like(poisson_nll_loss(in_f32(x), in_f32(target), options), x, target);
  const Tensor counts = autograd::floating_like(target, x);
  const Tensor losses = options.log_input ? exp(x) - counts * x : x - counts * log(x + options.eps);
  if (!options.full) return reduced(kOp, losses, options.reduction);
  const Tensor n = maximum(counts, 1.0);  // log 0! = log 1! = 0
  const Tensor stirling = n * log(n) - n + log(n * (2 * std::numbers::pi)) * 0.5;
  return reduced(kOp, losses + where(kernels::gt(counts, 1), stirling, 0.0), options.reduction);
}

Tensor gaussian_nll_loss(const Tensor& x, const Tensor& target, const Tensor& var,
                         const GaussianNLLLossOptions& options) {
  constexpr const char* kOp = "gaussian_nll_loss";
  kernels::expect_same_device(kOp, {&x, &target, &var});
  broadcast_shapes(x.shape(), target.shape(), kOp);
  if (any_half(x, target, var))
    return rounded_like(gaussian_nll_loss(in_f32(x), in_f32(target), in_f32(var), options), x, target, var);
  if (!(options.eps > 0)) throw ConfigError(expected(kOp) + "an eps above 0, got " + shortest(options.eps));
  const Tensor given = variances_for(x, var);
  // eps with the gradient of var.
  const Tensor least = (given - given.detach()) + options.eps;
  const Tensor v = where(kernels::lt(given, options.eps), least, given);
  const Tensor losses = (log(v) + square(x - target) / v) * 0.5;
  return reduced(kOp, options.full ? losses + 0.5 * std::log(2 * std::numbers::pi) : losses, options.reduction);
}

Tensor gaussian_nll_loss(const Tensor& x, const Tensor& target, double var, const GaussianNLLLossOptions& options) {
  kernels::expect_any_floating("gaussian_nll_loss", x);
  if (!(var >= 0)) throw ConfigError(expected("gaussian_nll_loss") + "a var of at least 0, got " + shortest(var));
  return gaussian_nll_loss(x, target, kernels::full(x.shape(), var, x.dtype(), x.device()), options);
}

}  // namespace hop
