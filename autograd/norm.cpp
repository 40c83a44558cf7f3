// Each normalisation has one fused backward kernel and, under create_graph, the same formula in operations that are
// recorded:
//   xhat = (x - mean) rstd,  dx = rstd (gw - mean(gw) - xhat mean(gw xhat)),  gw = g weight,
//   with means over the normalised dimensions.
#include "autograd/norm.h"

#include <cmath>

#include "autograd/elementwise.h"
#include "autograd/half_internal.h"
#include "autograd/norm_internal.h"
#include "autograd/record.h"
#include "autograd/reduce.h"
#include "autograd/view.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/norm.h"

namespace hop {

using autograd::any_half;
using autograd::BackwardContext;
using autograd::in_f32;
using autograd::is_recorded;
using autograd::record;
using autograd::rounded_like;
using autograd::save;
using autograd::save_output;
using autograd::SavedTensor;

namespace {

// The normalised dimensions, and the shape in which weight and bias broadcast over x.
struct Layout {
  Dims dims;
  Shape parameter;
};

void differentiable_grads(BackwardContext& context, const Tensor& of_y, const Tensor& of_x, const Tensor& factor,
                          const Layout& layout, double eps) {
  const Tensor g = in_f32(of_y), x = in_f32(of_x), weight = in_f32(factor);
  const Tensor rstd = rsqrt(var(x, layout.dims, 0, true) + eps);
  const Tensor xhat = (x - mean(x, layout.dims, true)) * rstd;
  if (context.wants(0)) {
    const Tensor gw = weight.defined() ? g * reshape(weight, layout.parameter) : g;
    // Two statements: the order in which gw is used decides the order of its own gradient's sum.
    const Tensor along = xhat * mean(gw * xhat, layout.dims, true);
    const Tensor centred = gw - mean(gw, layout.dims, true);
    context.set(0, rounded_like(rstd * (centred - along), of_x));
  }
  const auto of_parameter = [&](const Tensor& sums) { return rounded_like(reshape(sums, factor.shape()), factor); };
  if (context.wants(1)) context.set(1, of_parameter(sum_to(g * xhat, layout.parameter)));
  if (context.wants(2)) context.set(2, of_parameter(sum_to(g, layout.parameter)));
}

// The kernels take weight and bias together; a missing one becomes the neutral element.
struct Affine {
  Tensor weight;
  Tensor bias;
};
Affine complete(const Tensor& weight, const Tensor& bias) {
  if (weight.defined() == bias.defined()) return {weight, bias};
  if (weight.defined()) return {weight, kernels::zeros(weight.shape(), weight.dtype(), weight.device())};
  return {kernels::ones(bias.shape(), bias.dtype(), bias.device()), bias};
}

void expect_channels(const Tensor& x, const char* op) {
  kernels::expect_defined(op, x);
  if (x.dim() < 2) throw ShapeError("[" + std::string(op) + "] expected (N, C, ..), got " + x.shape().to_string());
}

/// The kernels take (N, C) and (N, C, H, W).
bool is_image_or_row(const Tensor& x) { return x.dim() == 2 || x.dim() == 4; }

Layout channel_layout(const Tensor& x) {
  if (x.dim() == 2) return {{0}, {1, x.size(1)}};
  return {{0, 2, 3}, {1, x.size(1), 1, 1}};
}

// Normalises over the last dimension.
Tensor layer_norm_rows(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const kernels::NormResult result = kernels::layer_norm(x, weight, bias, eps);
  if (!is_recorded(x, weight, bias)) return result.y;
  return record("layer_norm", result.y, {x, weight, bias},
                [saved_x = save(x), saved_weight = save(weight), mean = save(result.mean), rstd = save(result.rstd),
                 eps](BackwardContext& c) {
                  const Tensor ux = c.value(saved_x);
                  const Tensor uw = c.value(saved_weight);
                  if (is_grad_enabled())
                    return differentiable_grads(c, c.grad(), ux, uw, {{-1}, {ux.shape().back()}}, eps);
                  kernels::NormGrads grads = kernels::layer_norm_grad(c.grad(), ux, uw, c.value(mean), c.value(rstd));
                  c.set(0, std::move(grads.dx));
                  c.set(1, std::move(grads.dweight));
                  c.set(2, std::move(grads.dbias));
                });
}

// The gradients of batch_norm with its tail; the residual is input 3.
class BatchNormGradient {
 public:
  BatchNormGradient(const kernels::NormResult& result, const Tensor& x, const Tensor& weight, const Tensor& bias,
                    const BatchNormTail& tail, const Layout& layout, double eps)
      : x_(save(x)),
        weight_(save(weight)),
        bias_(tail.relu ? save(bias) : SavedTensor()),
        mean_(save(result.mean)),
        rstd_(save(result.rstd)),
        y_(tail.relu ? save_output(result.y) : SavedTensor()),
        relu_(tail.relu),
        has_residual_(tail.residual.defined()),
        layout_(layout),
        eps_(eps) {}

  void operator()(BackwardContext& c) const {
    const Tensor x = c.value(x_), weight = c.value(weight_);
    const Tensor& g = c.grad();
    if (is_grad_enabled()) {
      const Tensor through = relu_ ? where(le(c.value(y_), 0), 0, g) : g;
      if (has_residual_) c.set(3, through);
      return differentiable_grads(c, through, x, weight, layout_, eps_);
    }
    kernels::BatchNormTailGrad tail{.relu = relu_};
    if (relu_) tail.bias = c.value(bias_);
    if (relu_ && has_residual_) tail.y = c.value(y_);
    tail.overwrite = g.is_unique() && (relu_ || !has_residual_);  // otherwise g is the residual's gradient
    kernels::NormGrads grads = kernels::batch_norm_grad(g, x, weight, c.value(mean_), c.value(rstd_), tail);
    c.set(0, std::move(grads.dx));
    c.set(1, std::move(grads.dweight));
    c.set(2, std::move(grads.dbias));
    if (has_residual_) c.set(3, relu_ ? std::move(grads.dresidual) : g);
  }

 private:
  SavedTensor x_, weight_, bias_, mean_, rstd_, y_;
  bool relu_, has_residual_;
  Layout layout_;
  double eps_;
};

}  // namespace

Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias,
                  double eps) {
  kernels::expect_defined("layer_norm", x);
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
  if (normalized_shape.size() == 1) return layer_norm_rows(x, affine.weight, affine.bias, eps);
  const std::int64_t width = normalized_shape.numel();
  rows.push_back(width);
  const auto flat = [&](const Tensor& t) { return t.defined() ? reshape(t, {width}) : t; };
  return reshape(layer_norm(reshape(x, rows), {width}, flat(affine.weight), flat(affine.bias), eps), x.shape());
}

BatchNormResult batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                           const BatchNormTail& tail) {
  expect_channels(x, "batch_norm");
  if (!is_image_or_row(x)) {
    const Shape image = autograd::image_of(x.shape());
    BatchNormTail image_tail = tail;
    if (const Tensor& residual = tail.residual; residual.defined()) {
      kernels::expect_shape("batch_norm", "a residual", residual, x.shape());
      image_tail.residual = reshape(residual, image);
    }
    BatchNormResult result = batch_norm(reshape(x, image), weight, bias, eps, image_tail);
    result.y = reshape(result.y, x.shape());
    return result;
  }
  const Layout layout = channel_layout(x);
  const Affine affine = complete(weight, bias);
  const kernels::NormResult result = kernels::batch_norm(x, affine.weight, affine.bias, eps, tail);
  Tensor y = result.y;
  if (is_recorded(x, affine.weight, affine.bias, tail.residual)) {
    y = record("batch_norm", y, {x, affine.weight, affine.bias, tail.residual},
               BatchNormGradient(result, x, affine.weight, affine.bias, tail, layout, eps));
  }
  return {y, result.mean.detach(), result.var};
}

Tensor batch_norm_eval(const Tensor& x, const Tensor& mean, const Tensor& var, const Tensor& weight, const Tensor& bias,
                       double eps) {
  expect_channels(x, "batch_norm_eval");
  if (!is_image_or_row(x)) {
    const Tensor image = reshape(x, autograd::image_of(x.shape()));
    return reshape(batch_norm_eval(image, mean, var, weight, bias, eps), x.shape());
  }
  const Layout layout = channel_layout(x);
  kernels::expect_defined("batch_norm_eval", mean);
  kernels::expect_defined("batch_norm_eval", var);
  kernels::expect_eps("batch_norm_eval", eps);
  if (any_half(x, mean, var, weight, bias)) {
    const Tensor y = batch_norm_eval(in_f32(x), in_f32(mean), in_f32(var), in_f32(weight), in_f32(bias), eps);
    return rounded_like(y, x);
  }
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
