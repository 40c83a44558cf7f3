// The fused backward kernel, and under create_graph the same formula in operations that are recorded: with x as
// (N, groups, values of a group) and means over the last dimension,
//   xhat = (x - mean) rstd,  dx = rstd (gw - mean(gw) - xhat mean(gw xhat)),  gw = g weight.
#include "autograd/group_norm.h"

#include "autograd/elementwise.h"
#include "autograd/half_internal.h"
#include "autograd/record.h"
#include "autograd/reduce.h"
#include "autograd/view.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/group_norm.h"

namespace hop {
namespace {

using autograd::BackwardContext;
using autograd::in_f32;
using autograd::rounded_like;

void differentiable_grads(BackwardContext& context, const Tensor& of_x, const Tensor& factor, std::int64_t groups,
                          double eps) {
  const Tensor g = in_f32(context.grad()), x = in_f32(of_x), weight = in_f32(factor);
  const Shape grouped = {x.size(0), groups, -1};
  Shape per_channel = {1, x.size(1)};  // weight's shape beside x
  while (per_channel.size() < x.dim()) per_channel.push_back(1);
  const Tensor rows = reshape(x, grouped);
  const Tensor rstd = rsqrt(var(rows, {-1}, 0, true) + eps);
  const Tensor xhat = (rows - mean(rows, {-1}, true)) * rstd;
  if (context.wants(0)) {
    const Tensor gw = reshape(weight.defined() ? g * reshape(weight, per_channel) : g, grouped);
    const Tensor dx = rstd * (gw - mean(gw, {-1}, true) - xhat * mean(gw * xhat, {-1}, true));
    context.set(0, rounded_like(reshape(dx, x.shape()), of_x));
  }
  const auto of_parameter = [&](const Tensor& sums) { return rounded_like(reshape(sums, factor.shape()), factor); };
  if (context.wants(1)) context.set(1, of_parameter(sum_to(g * reshape(xhat, x.shape()), per_channel)));
  if (context.wants(2)) context.set(2, of_parameter(sum_to(g, per_channel)));
}

}  // namespace

Tensor group_norm(const Tensor& x, std::int64_t num_groups, const Tensor& weight, const Tensor& bias, double eps) {
  kernels::expect_defined("group_norm", x);
  // The kernel computes the gradients of weight and bias together.
  const Tensor scale =
      bias.defined() && !weight.defined() ? kernels::ones(bias.shape(), bias.dtype(), bias.device()) : weight;
  const kernels::NormResult result = kernels::group_norm(x, num_groups, scale, bias, eps);
  if (!autograd::is_recorded(x, scale, bias)) return result.y;
  return autograd::record(
      "group_norm", result.y, {x, scale, bias},
      [saved_x = autograd::save(x), saved_weight = autograd::save(scale), mean = autograd::save(result.mean),
       rstd = autograd::save(result.rstd), num_groups, eps](BackwardContext& c) {
        const Tensor ux = c.value(saved_x), uw = c.value(saved_weight);
        if (is_grad_enabled() && ux.numel() != 0) return differentiable_grads(c, ux, uw, num_groups, eps);
        kernels::NormGrads grads = kernels::group_norm_grad(c.grad(), ux, uw, c.value(mean), c.value(rstd));
        c.set(0, std::move(grads.dx));
        c.set(1, std::move(grads.dweight));
        if (c.wants(2)) c.set(2, std::move(grads.dbias));
      });
}

}  // namespace hop
