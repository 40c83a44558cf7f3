#include "autograd/loss_probability.h"

#include "autograd/elementwise.h"
#include "autograd/loss_internal.h"
#include "autograd/record.h"

namespace hop {

using autograd::any_half;
using autograd::BackwardContext;
using autograd::expect_equal_shapes;
using autograd::in_f32;
using autograd::reduced;
using autograd::rounded_like;
using autograd::save;
using autograd::weighted;

namespace {

constexpr double kLeastLog = -100;

/// PyTorch's gradient. That of the composition would be 0 / 0 for probabilities of 0 and 1.
void bce_backward(BackwardContext& c, const Tensor& x, const Tensor& target) {
  constexpr double kLeastDivisor = 1e-12F;  // rounded to f32 in PyTorch, too
  const Tensor& g = c.grad();
  if (c.wants(0)) c.set(0, g * (x - target) / clamp(x * (1 - x), kLeastDivisor));
  if (c.wants(1)) c.set(1, g * (clamp(log(1 - x), kLeastLog) - clamp(log(x), kLeastLog)));
}

Tensor bce(const Tensor& x, const Tensor& target) {
  const Tensor of_one = kernels::mul(target, kernels::clamp(kernels::log(x), kLeastLog));
  const Tensor of_zero =
      kernels::mul(kernels::sub(1, target), kernels::clamp(kernels::log(kernels::sub(1, x)), kLeastLog));
  Tensor y = kernels::neg(kernels::add(of_one, of_zero));
  if (!autograd::is_recorded(x, target)) return y;
  return autograd::record("binary_cross_entropy", std::move(y), {x, target},
                          [saved_x = save(x), saved_target = save(target)](BackwardContext& c) {
                            bce_backward(c, c.value(saved_x), c.value(saved_target));
                          });
}

}  // namespace

Tensor binary_cross_entropy(const Tensor& x, const Tensor& target, const BCELossOptions& options) {
  constexpr const char* kOp = "binary_cross_entropy";
  expect_equal_shapes(kOp, x, target);
  if (any_half(x)) return rounded_like(binary_cross_entropy(in_f32(x), target, options), x);
  kernels::expect_floating(kOp, x);
  return reduced(kOp, weighted(kOp, bce(x, to(target, x.dtype())), options.weight), options.reduction);
}

// log p = -softplus(-x) and log(1 - p) = -x - softplus(-x). Beyond 40, softplus(x) is x in f64, too.
Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target,
                                        const BCEWithLogitsLossOptions& options) {
  constexpr const char* kOp = "binary_cross_entropy_with_logits";
  expect_equal_shapes(kOp, x, target);
  if (any_half(x)) return rounded_like(binary_cross_entropy_with_logits(in_f32(x), target, options), x);
  kernels::expect_floating(kOp, x);
  const Tensor y = to(target, x.dtype()), cost = softplus(-x, 1, 40);
  const auto factored = [&](const Tensor& pos_weight) {
    return (1 + (autograd::factor_for(kOp, "pos_weight", pos_weight, x) - 1) * y) * cost;
  };
  const Tensor losses = (1 - y) * x + (options.pos_weight.defined() ? factored(options.pos_weight) : cost);
  return reduced(kOp, weighted(kOp, losses, options.weight), options.reduction);
}

Tensor kl_div(const Tensor& x, const Tensor& target, const KLDivLossOptions& options) {
  constexpr const char* kOp = "kl_div";
  expect_equal_shapes(kOp, x, target);
  if (any_half(x, target)) return rounded_like(kl_div(in_f32(x), in_f32(target), options), x, target);
  const Tensor y = autograd::floating_like(target, x);
  const auto of_probabilities = [&] {
    const Tensor safe = where(kernels::eq(y, 0), 1.0, y);  // its logarithm, and the product, are 0
    return safe * log(safe) - y * x;
  };
  const Tensor losses = options.log_target ? exp(y) * (y - x) : of_probabilities();
  if (options.reduction != Reduction::batchmean) return reduced(kOp, losses, options.reduction);
  return sum(losses) / x.size(autograd::existing_dim(kOp, x, 0));
}

}  // namespace hop
