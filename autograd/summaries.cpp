#include "autograd/summaries.h"

#include <cmath>
#include <string>

#include "autograd/composed_internal.h"
#include "autograd/copy.h"
#include "autograd/half_internal.h"
#include "autograd/reduce.h"
#include "autograd/view.h"
#include "kernels/copy.h"

namespace hop {

using autograd::any_half;
using autograd::expect_dims;
using autograd::expect_values;
using autograd::in_f32;
using autograd::power_from_zero;
using autograd::rounded_like;

Tensor norm(const Tensor& x, double p, const Dims& dims, bool keepdim) {
  expect_dims("norm", x, dims);
  if (any_half(x)) return rounded_like(norm(in_f32(x), p, dims, keepdim), x);
  kernels::expect_floating("norm", x);
  if (p < 0 || p == HUGE_VAL) expect_values("norm", x, dims);
  if (p == HUGE_VAL) return max(abs(x), dims, keepdim);
  if (p == -HUGE_VAL) return min(abs(x), dims, keepdim);
  if (p == 0) return sum(to(ne(x, 0), x.dtype()) + sign(x) * 0, dims, keepdim);  // sign() has the gradient 0
  if (p == 1) return sum(abs(x), dims, keepdim);
  if (p == 2) return power_from_zero(sum(square(x), dims, keepdim), 0.5);
  return power_from_zero(sum(power_from_zero(abs(x), p), dims, keepdim), 1 / p);
}

Tensor std(const Tensor& x, const Dims& dims, Scalar correction, bool keepdim) {
  expect_dims("std", x, dims);
  if (any_half(x)) return rounded_like(hop::std(in_f32(x), dims, correction, keepdim), x);
  kernels::expect_floating("std", x);
  return power_from_zero(var(x, dims, correction, keepdim), 0.5);
}

// The largest value of each sum is taken out first. It cancels, so it counts as a constant.
Tensor logsumexp(const Tensor& x, const Dims& dims, bool keepdim) {
  expect_dims("logsumexp", x, dims);
  if (any_half(x)) return rounded_like(logsumexp(in_f32(x), dims, keepdim), x);
  const Tensor values = is_floating(x.dtype()) ? x : to(x, DType::f32);
  if (values.numel() == 0) return log(sum(exp(values), dims, keepdim));
  const Tensor top = kernels::max(values, dims, true);
  const Tensor shift = kernels::where(kernels::isfinite(top), top, 0);
  const Tensor y = log(sum(exp(values - shift), dims, true)) + shift;
  return keepdim ? y : reshape(y, kernels::reduce_shape(x.shape(), dims, false));
}

// A tensor whose order is the reverse of x's. -1 - x holds for every integer; -x would wrap for the least one.
static Tensor reversed_order(const Tensor& x) {
  if (is_floating(x.dtype())) return kernels::neg(x);
  return kernels::sub(-1, kernels::cast(x, DType::i64));
}

Tensor argmin(const Tensor& x, std::int64_t dim, bool keepdim) {
  expect_dims("argmin", x, {dim});
  expect_values("argmin", x, {dim});
  return kernels::argmax(reversed_order(x), dim, keepdim);
}

Tensor argmin(const Tensor& x) {
  expect_dims("argmin", x, {});
  expect_values("argmin", x, {});
  return kernels::argmax(reversed_order(x));
}

/// Sums and products of integers are i64.
static Tensor widened(const Tensor& x) { return is_floating(x.dtype()) ? x : to(x, DType::i64); }

Tensor prod(const Tensor& x, std::int64_t dim, bool keepdim, std::optional<DType> dtype) {
  if (dtype) return to(prod(to(x, *dtype), dim, keepdim), *dtype);
  expect_dims("prod", x, {dim});
  if (any_half(x)) return rounded_like(prod(in_f32(x), dim, keepdim), x);
  Tensor y = widened(x);
  if (x.dim() == 0) return y;
  if (x.size(dim) == 0) return sum(y, {dim}, keepdim) + 1;
  for (std::int64_t n = y.size(dim); n > 1; n = y.size(dim)) {
    const std::int64_t half = n / 2;
    const Tensor pairs = slice(y, dim, 0, half) * slice(y, dim, half, 2 * half);
    y = n % 2 == 0 ? pairs : cat({pairs, slice(y, dim, 2 * half)}, dim);
  }
  return keepdim ? y : squeeze(y, dim);
}

Tensor prod(const Tensor& x, std::optional<DType> dtype) {
  kernels::expect_defined("prod", x);
  return prod(reshape(x, {x.numel()}), 0, false, dtype);
}

/// y_i = x_0 op x_1 op .. op x_i along `dim`, for an associative op.
template <class Op>
static Tensor scan(const Tensor& x, std::int64_t dim, const Op& op) {
  Tensor y = widened(x);
  if (x.dim() == 0) return y;
  const std::int64_t n = x.size(dim);
  for (std::int64_t step = 1; step < n; step *= 2) {  // each element holds the result of the `step` elements up to it
    const Tensor later = op(slice(y, dim, step), slice(y, dim, 0, n - step));
    y = cat({slice(y, dim, 0, step), later}, dim);
  }
  return y;
}

Tensor cumsum(const Tensor& x, std::int64_t dim, std::optional<DType> dtype) {
  if (dtype) return to(cumsum(to(x, *dtype), dim), *dtype);
  expect_dims("cumsum", x, {dim});
  if (any_half(x)) return rounded_like(cumsum(in_f32(x), dim), x);
  return scan(x, dim, [](const Tensor& a, const Tensor& b) { return a + b; });
}

Tensor cumprod(const Tensor& x, std::int64_t dim, std::optional<DType> dtype) {
  if (dtype) return to(cumprod(to(x, *dtype), dim), *dtype);
  expect_dims("cumprod", x, {dim});
  if (any_half(x)) return rounded_like(cumprod(in_f32(x), dim), x);
  return scan(x, dim, [](const Tensor& a, const Tensor& b) { return a * b; });
}

}  // namespace hop
