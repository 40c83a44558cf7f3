#include "kernels/norm.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "kernels/batch_norm_operations.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/layer_norm_operations.h"
#include "kernels/norm_internal.h"

namespace hop::kernels {
namespace {

/// The shape of layer_norm's statistics: x without the last dimensions, those of `weight` (the last one without a
/// weight).
Shape rows_of(const char* op, const Shape& x, const Tensor& weight) {
  const int covered = weight.defined() ? weight.dim() : 1;
  const int rows = x.size() - covered;
  const bool fits =
      covered > 0 && rows >= 0 && (!weight.defined() || std::equal(x.begin() + rows, x.end(), weight.shape().begin()));
  if (!fits) {
    throw ShapeError("[" + std::string(op) + "] expected weight of the shape of x's last dimensions, got weight " +
                     (weight.defined() ? weight.shape().to_string() : "undefined") + " for x " + x.to_string());
  }
  return Shape(std::span(x.begin(), static_cast<std::size_t>(rows)));
}

void expect_parameters(const char* op, const Tensor& weight, const Tensor& bias, const Shape& shape) {
  if (weight.defined()) expect_shape(op, "weight", weight, shape);
  if (bias.defined()) expect_shape(op, "bias", bias, shape);
}

/// (C), after a check of x (N, C, ..).
Shape channels_of(const char* op, const Shape& x) {
  if (x.size() < 2) throw ShapeError("[" + std::string(op) + "] expected x (N, C, ..), got " + x.to_string());
  return {x[1]};
}

void expect_statistics(const char* op, const Tensor& mean, const Tensor& rstd, const Shape& shape) {
  expect_shape(op, "mean", mean, shape);
  expect_shape(op, "rstd", rstd, shape);
}

Tensor like_or_undefined(const Tensor& parameter, const Tensor& x) {
  return parameter.defined() ? Tensor::empty(parameter.shape(), x.dtype(), x.device()) : Tensor();
}

/// A result of x's shape in the layout that its device keeps.
Tensor image_like(const Tensor& x) { return empty_in(kept_layout(x), x.shape(), x.dtype(), x.device()); }

bool lies_in(Layout layout, const Tensor& x) {
  return layout == Layout::contiguous ? x.is_contiguous() : is_channels_last(x);
}

/// Throws ShapeError for an x without values.
void expect_values(const char* op, const Tensor& x, bool enough) {
  if (!enough) throw ShapeError("[" + std::string(op) + "] expected values to normalise, got " + x.describe());
}

}  // namespace

NormResult layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  constexpr const char* kOp = "layer_norm";
  if (any_half(x, weight, bias)) {
    expect_equal_dtypes(kOp, weight, bias);
    return rounded(kOp, layer_norm(widened(x), widened(weight), widened(bias), eps), x);
  }
  expect_floating(kOp, {&x}, {&weight, &bias});
  expect_eps(kOp, eps);
  const Shape rows = rows_of(kOp, x.shape(), weight);
  if (bias.defined()) expect_shape(kOp, "bias", bias, weight.defined() ? weight.shape() : Shape{x.shape().back()});
  if (x.numel() == 0) expect_values(kOp, x, rows.numel() == 0);
  const auto empty = [&](const Shape& shape) { return Tensor::empty(shape, x.dtype(), x.device()); };
  const NormResult result{empty(x.shape()), empty(rows), empty(rows)};
  if (x.numel() != 0) operations<LayerNormOperations>(x).layer_norm(x, weight, bias, eps, result);
  return result;
}

NormGrads layer_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd) {
  constexpr const char* kOp = "layer_norm gradient";
  if (any_half(g, x, weight, mean, rstd)) {
    return rounded(kOp, layer_norm_grad(widened(g), widened(x), widened(weight), widened(mean), widened(rstd)), x,
                   weight);
  }
  expect_floating(kOp, {&g, &x, &mean, &rstd}, {&weight});
  expect_shape(kOp, "g", g, x.shape());
  expect_statistics(kOp, mean, rstd, rows_of(kOp, x.shape(), weight));
  const NormGrads grads{Tensor::empty(x.shape(), x.dtype(), x.device()), like_or_undefined(weight, x),
                        like_or_undefined(weight, x)};
  if (x.numel() != 0) {
    operations<LayerNormOperations>(x).layer_norm_grad(g, x, weight, mean, rstd, grads);
  } else if (weight.defined()) {
    fill_(grads.dweight, 0);
    fill_(grads.dbias, 0);
  }
  return grads;
}

NormResult batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                      const BatchNormTail& tail) {
  constexpr const char* kOp = "batch_norm";
  if (any_half(x, weight, bias, tail.residual)) {
    expect_equal_dtypes(kOp, weight, bias);
    const BatchNormTail wide{widened(tail.residual), tail.relu};
    return rounded(kOp, batch_norm(widened(x), widened(weight), widened(bias), eps, wide), x);
  }
  expect_floating(kOp, {&x}, {&weight, &bias, &tail.residual});
  expect_eps(kOp, eps);
  expect_parameters(kOp, weight, bias, channels_of(kOp, x.shape()));
  if (tail.residual.defined()) expect_shape(kOp, "residual", tail.residual, x.shape());
  expect_values(kOp, x, x.numel() != 0);
  const auto per_channel = [&] { return Tensor::empty({x.shape()[1]}, x.dtype(), x.device()); };
  const NormResult result{image_like(x), per_channel(), per_channel(), per_channel()};
  operations<BatchNormOperations>(x).batch_norm(x, weight, bias, eps, tail, result);
  return result;
}

NormGrads batch_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd, const BatchNormTailGrad& tail) {
  constexpr const char* kOp = "batch_norm gradient";
  if (any_half(g, x, weight, mean, rstd, tail.bias, tail.y)) {
    const BatchNormTailGrad wide{tail.relu, widened(tail.bias), widened(tail.y), tail.overwrite || is_half(g)};
    return rounded(kOp, batch_norm_grad(widened(g), widened(x), widened(weight), widened(mean), widened(rstd), wide), x,
                   weight);
  }
  expect_floating(kOp, {&g, &x, &mean, &rstd}, {&weight, &tail.bias, &tail.y});
  const Shape channels = channels_of(kOp, x.shape());
  expect_shape(kOp, "g", g, x.shape());
  if (tail.y.defined()) expect_shape(kOp, "y", tail.y, x.shape());
  if (tail.y.defined() && !tail.relu)
    throw ConfigError("[batch_norm gradient] expected y with relu alone, got it without");
  expect_parameters(kOp, weight, tail.bias, channels);
  expect_statistics(kOp, mean, rstd, channels);
  expect_values(kOp, x, x.numel() != 0);
  const bool is_free = tail.overwrite && lies_in(kept_layout(x), g);
  const Tensor over_g_or_new = is_free ? g : image_like(x);
  const Tensor dweight = like_or_undefined(weight, x), dbias = like_or_undefined(weight, x);
  const NormGrads grads = tail.y.defined() ? NormGrads{image_like(x), dweight, dbias, over_g_or_new}
                                           : NormGrads{over_g_or_new, dweight, dbias};
  operations<BatchNormOperations>(x).batch_norm_grad(g, x, weight, mean, rstd, tail, grads);
  return grads;
}

Tensor batch_norm_apply(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                        const Tensor& rstd) {
  constexpr const char* kOp = "batch_norm";
  if (any_half(x, weight, bias, mean, rstd)) {
    const Tensor y = batch_norm_apply(widened(x), widened(weight), widened(bias), widened(mean), widened(rstd));
    return narrowed(kOp, y, x.dtype());
  }
  expect_floating(kOp, {&x, &mean, &rstd}, {&weight, &bias});
  const Shape channels = channels_of(kOp, x.shape());
  expect_parameters(kOp, weight, bias, channels);
  expect_statistics(kOp, mean, rstd, channels);
  const Tensor y = image_like(x);
  if (x.numel() != 0) operations<BatchNormOperations>(x).batch_norm_apply(x, weight, bias, mean, rstd, y);
  return y;
}

}  // namespace hop::kernels
