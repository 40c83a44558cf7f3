#include "kernels/group_norm.h"

#include <string>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/group_norm_operations.h"
#include "kernels/layout_internal.h"
#include "kernels/norm_internal.h"

namespace hop::kernels {
namespace {

/// (N, groups), after a check of x (N, C, ..).
Shape statistics_shape(const char* op, const Shape& x, std::int64_t groups) {
  if (x.size() < 2) throw ShapeError("[" + std::string(op) + "] expected x (N, C, ..), got " + x.to_string());
  if (groups < 1 || x[1] % groups != 0) {
    throw ShapeError("[" + std::string(op) + "] expected channels that " + std::to_string(groups) +
                     " groups divide evenly, got " + x.to_string());
  }
  return {x[0], groups};
}

void expect_parameter(const char* op, const char* what, const Tensor& parameter, const Shape& x) {
  if (parameter.defined()) expect_shape(op, what, parameter, {x[1]});
}

Tensor dense(const Tensor& x) { return x.defined() ? contiguous(x) : x; }

}  // namespace

NormResult group_norm(const Tensor& x, std::int64_t groups, const Tensor& weight, const Tensor& bias, double eps) {
  constexpr const char* kOp = "group_norm";
  if (any_half(x, weight, bias)) {
    expect_equal_dtypes(kOp, weight, bias);
    return rounded(kOp, group_norm(widened(x), groups, widened(weight), widened(bias), eps), x);
  }
  expect_floating(kOp, {&x}, {&weight, &bias});
  expect_eps(kOp, eps);
  const Shape statistics = statistics_shape(kOp, x.shape(), groups);
  expect_parameter(kOp, "weight", weight, x.shape());
  expect_parameter(kOp, "bias", bias, x.shape());
  if (x.numel() == 0 && statistics.numel() != 0)
    throw ShapeError("[group_norm] expected values to normalise, got " + x.describe());
  const auto empty = [&](const Shape& shape) { return Tensor::empty(shape, x.dtype(), x.device()); };
  const NormResult result{empty(x.shape()), empty(statistics), empty(statistics)};
  if (x.numel() == 0) return result;
  operations<GroupNormOperations>(x).group_norm(contiguous(x), dense(weight), dense(bias), eps, result);
  return {in_layout(kept_layout(x), result.y), result.mean, result.rstd};
}

NormGrads group_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd) {
  constexpr const char* kOp = "group_norm gradient";
  if (any_half(g, x, weight, mean, rstd)) {
    return rounded(kOp, group_norm_grad(widened(g), widened(x), widened(weight), widened(mean), widened(rstd)), x,
                   weight);
  }
  expect_floating(kOp, {&g, &x, &mean, &rstd}, {&weight});
  expect_shape(kOp, "g", g, x.shape());
  if (mean.dim() != 2) throw ShapeError("[group_norm gradient] expected mean (N, groups), got " + mean.describe());
  const Shape statistics = statistics_shape(kOp, x.shape(), mean.size(1));
  expect_shape(kOp, "mean", mean, statistics);
  expect_shape(kOp, "rstd", rstd, statistics);
  expect_parameter(kOp, "weight", weight, x.shape());
  const auto per_channel = [&] { return weight.defined() ? zeros(weight.shape(), x.dtype(), x.device()) : Tensor(); };
  const NormGrads grads{Tensor::empty(x.shape(), x.dtype(), x.device()), per_channel(), per_channel()};
  if (x.numel() == 0) return grads;
  operations<GroupNormOperations>(x).group_norm_grad(contiguous(g), contiguous(x), dense(weight), contiguous(mean),
                                                     contiguous(rstd), grads);
  return {in_layout(kept_layout(x), grads.dx), grads.dweight, grads.dbias};
}

}  // namespace hop::kernels
