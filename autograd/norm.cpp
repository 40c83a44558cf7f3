// Each normalisation has one fused backward kernel and, under create_graph, the same formula in operations that are
// recorded:
//   xhat = (x - mean) rstd,  dx = rstd (gw - mean(gw) - xhat mean(gw xhat)),  gw = g weight,  means over what was
//   normalised.
#include "autograd/norm.h"

#include <cmath>

#include "autograd/elementwise.h"
#include "autograd/record.h"
#include "autograd/reduce.h"
#include "autograd/view.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/norm.h"

namespace hop {

using autograd::BackwardContext;
using autograd::is_recorded;
using autograd::record;
using autograd::save;
using autograd::SavedTensor;

namespace {

// What was normalised over, and the shape in which weight and bias broadcast over x.
struct Layout {
  Dims dims;
  Shape parameter;
};

void differentiable_grads(BackwardContext& context, const Tensor& x, const Tensor& weight, const Layout& layout,
                          double eps) {
  const Tensor& g = context.grad();
  const Tensor rstd = rsqrt(var(x, layout.dims, 0, true) + eps);
  const Tensor xhat = (x - mean(x, layout.dims, true)) * rstd;
  if (context.wants(0)) {
    const Tensor gw = weight.defined() ? g * reshape(weight, layout.parameter) : g;
    context.set(0, rstd * (gw - mean(gw, layout.dims, true) - xhat * mean(gw * xhat, layout.dims, true)));
  }
  if (context.wants(1)) context.set(1, reshape(sum_to(g * xhat, layout.parameter), weight.shape()));
  if (context.wants(2)) context.set(2, reshape(sum_to(g, layout.parameter), weight.shape()));
}

using FusedGrads = kernels::NormGrads (*)(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&);

Tensor record_norm(const char* op, const kernels::NormResult& result, const Tensor& x, const Tensor& weight,
                   const Tensor& bias, const Layout& layout, double eps, FusedGrads fused) {
  if (!is_recorded(x, weight, bias)) return result.y;
  return record(op, result.y, {x, weight, bias},
                [saved_x = save(x), saved_weight = save(weight), mean = save(result.mean), rstd = save(result.rstd),
                 layout, eps, fused](BackwardContext& c) {
                  const Tensor ux = c.value(saved_x);
                  const Tensor uw = c.value(saved_weight);
                  if (is_grad_enabled()) return differentiable_grads(c, ux, uw, layout, eps);
                  kernels::NormGrads grads = fused(c.grad(), ux, uw, c.value(mean), c.value(rstd));
                  c.set(0, std::move(grads.dx));
                  c.set(1, std::move(grads.dweight));
                  c.set(2, std::move(grads.dbias));
                });
}

// The kernels take weight and bias together; the one that is missing is the neutral element.
struct Affine {
  Tensor weight;
  Tensor bias;
};
Affine complete(const Tensor& weight, const Tensor& bias) {
  if (weight.defined() == bias.defined()) return {weight, bias};
  if (weight.defined()) return {weight, kernels::zeros(weight.shape(), weight.dtype(), weight.device())};
  return {kernels::ones(bias.shape(), bias.dtype(), bias.device()), bias};
}

Layout channel_layout(const Tensor& x, const char* op) {
  if (x.dim() != 2 && x.dim() != 4) {
    throw ShapeError("[" + std::string(op) + "] expected (N, C) or (N, C, H, W), got " + x.shape().to_string());
  }
  if (x.dim() == 2) return {{0}, {1, x.size(1)}};
  return {{0, 2, 3}, {1, x.size(1), 1, 1}};
}

// Biased variance per channel, from 1 / sqrt(var + eps).
Tensor variance(const Tensor& rstd, double eps) {
  const Tensor precise = kernels::cast(rstd, DType::f64);
  return kernels::cast(kernels::clamp(kernels::sub(kernels::pow_scalar(precise, -2), eps), 0), rstd.dtype());
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias,
                  double eps) {
  const int lead = x.dim() - normalized_shape.size();
  Shape rows;
  for (int i = 0; i < lead; ++i) rows.push_back(x.shape()[i]);
  Shape whole = rows;
  for (const std::int64_t size : normalized_shape) whole.push_back(size);
  if (normalized_shape.empty() || lead < 0 || whole != x.shape()) {
    throw ShapeError("[layer_norm] expected a shape that ends in " + normalized_shape.to_string() + ", got " +
                     x.shape().to_string());
  }
  const Affine affine = complete(weight, bias);
  if (normalized_shape.size() == 1) {
    const Layout layout{{-1}, normalized_shape};
    return record_norm("layer_norm", kernels::layer_norm(x, affine.weight, affine.bias, eps), x, affine.weight,
                       affine.bias, layout, eps, kernels::layer_norm_grad);
  }
  const std::int64_t width = normalized_shape.numel();
  rows.push_back(width);
  const auto flat = [&](const Tensor& t) { return t.defined() ? reshape(t, {width}) : t; };
  return reshape(layer_norm(reshape(x, rows), {width}, flat(affine.weight), flat(affine.bias), eps), x.shape());
}

BatchNormResult batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const Layout layout = channel_layout(x, "batch_norm");
  const Affine affine = complete(weight, bias);
  const kernels::NormResult result = kernels::batch_norm(x, affine.weight, affine.bias, eps);
  return {record_norm("batch_norm", result, x, affine.weight, affine.bias, layout, eps, kernels::batch_norm_grad),
          result.mean.detach(), variance(result.rstd, eps)};
}

Tensor batch_norm_eval(const Tensor& x, const Tensor& mean, const Tensor& var, const Tensor& weight, const Tensor& bias,
                       double eps) {
  const Layout layout = channel_layout(x, "batch_norm_eval");
  const Affine affine = complete(weight, bias);
  const Tensor rstd = kernels::rsqrt(kernels::add(var, eps));
  Tensor y = kernels::batch_norm_apply(x, affine.weight, affine.bias, mean, rstd);
  if (!is_recorded(x, affine.weight, affine.bias)) return y;
  return record("batch_norm_eval", std::move(y), {x, affine.weight, affine.bias},
                [saved_x = save(x), saved_weight = save(affine.weight), saved_mean = save(mean), rstd,
                 layout](BackwardContext& c) {
                  const Tensor& g = c.grad();
                  const Tensor uw = c.value(saved_weight);
                  const Tensor scale = reshape(rstd, layout.parameter);
                  if (c.wants(0)) c.set(0, g * (uw.defined() ? scale * reshape(uw, layout.parameter) : scale));
                  if (c.wants(1)) {
                    const Tensor xhat = (c.value(saved_x) - reshape(c.value(saved_mean), layout.parameter)) * scale;
                    c.set(1, reshape(sum_to(g * xhat, layout.parameter), uw.shape()));
                  }
                  if (c.wants(2)) c.set(2, reshape(sum_to(g, layout.parameter), uw.shape()));
                });
}

}  // namespace hop
