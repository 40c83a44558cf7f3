#include "autograd/activations.h"

#include <cmath>
#include <string>

#include "autograd/composed_internal.h"
#include "autograd/half_internal.h"
#include "autograd/record.h"
#include "autograd/view.h"
#include "base/error.h"
#include "base/words.h"

namespace hop {

using autograd::any_half;
using autograd::existing_dim;
using autograd::expected;
using autograd::in_f32;
using autograd::rounded_like;
using kernels::Input;

namespace {

// x itself is the last branch, so that NaN passes.
Tensor bounded(const Tensor& x, double low, double high) {
  return where(kernels::le(x, low), low, where(kernels::ge(x, high), high, x));
}

}  // namespace

Tensor gelu(const Tensor& x, GeluApproximate approximate) {
  return approximate == GeluApproximate::tanh ? gelu_tanh(x) : gelu(x);
}

Tensor hardtanh(const Tensor& x, double min_val, double max_val) {
  if (any_half(x)) return rounded_like(hardtanh(in_f32(x), min_val, max_val), x);
  kernels::expect_floating("hardtanh", x);
  return bounded(x, min_val, max_val);
}

Tensor relu6(const Tensor& x) {
  if (any_half(x)) return rounded_like(relu6(in_f32(x)), x);
  kernels::expect_floating("relu6", x);
  return bounded(x, 0, 6);
}

Tensor hardsigmoid(const Tensor& x) {
  if (any_half(x)) return rounded_like(hardsigmoid(in_f32(x)), x);
  kernels::expect_floating("hardsigmoid", x);
  return bounded(x + 3, 0, 6) / 6;
}

Tensor hardswish(const Tensor& x) {
  if (any_half(x)) return rounded_like(hardswish(in_f32(x)), x);
  kernels::expect_floating("hardswish", x);
  return x * bounded(x + 3, 0, 6) / 6;
}

Tensor hardshrink(const Tensor& x, double lambd) {
  if (any_half(x)) return rounded_like(hardshrink(in_f32(x), lambd), x);
  kernels::expect_floating("hardshrink", x);
  return where(kernels::le(kernels::abs(x), lambd), 0, x);
}

Tensor softshrink(const Tensor& x, double lambd) {
  if (any_half(x)) return rounded_like(softshrink(in_f32(x), lambd), x);
  kernels::expect_floating("softshrink", x);
  if (!(lambd >= 0)) throw ConfigError(expected("softshrink") + "a lambd of at least 0, got " + shortest(lambd));
  return where(kernels::gt(x, lambd), x - lambd, where(kernels::lt(x, -lambd), x + lambd, x * 0));
}

Tensor tanhshrink(const Tensor& x) {
  if (any_half(x)) return rounded_like(tanhshrink(in_f32(x)), x);
  kernels::expect_floating("tanhshrink", x);
  return x - tanh(x);
}

Tensor threshold(const Tensor& x, double threshold, double value) {
  if (any_half(x)) return rounded_like(hop::threshold(in_f32(x), threshold, value), x);
  kernels::expect_floating("threshold", x);
  return where(kernels::le(x, threshold), value, x);
}

Tensor mish(const Tensor& x) {
  if (any_half(x)) return rounded_like(mish(in_f32(x)), x);
  kernels::expect_floating("mish", x);
  return x * tanh(softplus(x));
}

Tensor selu(const Tensor& x) {
  constexpr double kAlpha = 1.6732632423543772848170429916717;
  constexpr double kScale = 1.0507009873554804934193349852946;
  if (any_half(x)) return rounded_like(selu(in_f32(x)), x);
  kernels::expect_floating("selu", x);
  return elu(x, kAlpha) * kScale;
}

// The product reads 0 where x > 0: an infinite x must not give the weight a gradient of 0 * infinity.
Tensor prelu(const Tensor& x, const Tensor& weight) {
  if (any_half(x, weight)) return rounded_like(prelu(in_f32(x), in_f32(weight)), x, weight);
  kernels::expect_floating("prelu", {&x, &weight});
  const std::int64_t channels = x.dim() > 1 ? x.size(1) : 1;
  if (weight.dim() > 1 || (weight.numel() != 1 && weight.numel() != channels)) {
    throw ShapeError(expected("prelu") + "one weight or " + std::to_string(channels) + " weights, got " +
                     weight.describe());
  }
  Shape shape;
  if (weight.numel() != 1) {
    shape.resize(x.dim(), 1);
    shape[1] = channels;
  }
  const Tensor is_positive = kernels::gt(x, 0);
  return where(is_positive, x, reshape(weight, shape) * where(is_positive, 0.0, x));
}

Tensor glu(const Tensor& x, std::int64_t dim) {
  const int d = existing_dim("glu", x, dim);
  if (any_half(x)) return rounded_like(glu(in_f32(x), d), x);
  kernels::expect_floating("glu", x);
  const std::int64_t n = x.size(d);
  if (n % 2 != 0) {
    throw ShapeError(expected("glu") + "an even size of dimension " + std::to_string(d) + ", got " + x.describe());
  }
  return slice(x, d, 0, n / 2) * sigmoid(slice(x, d, n / 2));
}

Tensor softsign(const Tensor& x) {
  if (any_half(x)) return rounded_like(softsign(in_f32(x)), x);
  kernels::expect_floating("softsign", x);
  return x / (abs(x) + 1);
}

Tensor logit(const Tensor& x, std::optional<double> eps) {
  if (any_half(x)) return rounded_like(logit(in_f32(x), eps), x);
  kernels::expect_floating("logit", x);
  const double low = eps.value_or(0), high = 1 - low;
  const Tensor p = eps ? kernels::clamp(x, low, high) : x;
  const Tensor y = kernels::log(kernels::div(p, kernels::sub(1, p)));
  if (!autograd::is_recorded(x)) return y;
  // Infinite at 0 and 1; adding 0 makes -0 a 0, so that the sign is the one of g. Outside of the bounds it is 0;
  // without eps it is NaN.
  return autograd::record("logit", y, {x}, [=, saved = autograd::save(x)](autograd::BackwardContext& c) {
    const Tensor at = c.value(saved);
    const Tensor outside = kernels::logical_or(kernels::lt(at, low), kernels::gt(at, high));
    const Tensor safe = where(outside, 0.5, at) + 0.0;
    c.set(0, where(outside, eps ? 0.0 : std::nan(""), c.grad() / (safe * (1 - safe))));
  });
}

Tensor clamp(const Tensor& x, const Tensor& min, const Tensor& max) {
  kernels::expect_defined("clamp", x);
  if (!min.defined() && !max.defined()) throw ConfigError(expected("clamp") + "a bound, got none");
  const auto takes = [](const Tensor& is_beyond, const Tensor& y, const Tensor& bound) {
    return kernels::logical_and(kernels::logical_or(is_beyond, kernels::isnan(bound)),
                                kernels::logical_not(kernels::isnan(y)));
  };
  Tensor y = x;
  if (min.defined()) y = where(takes(kernels::lt(y, min), y, min), min, y);
  if (max.defined()) y = where(takes(kernels::gt(y, max), y, max), max, y);
  return y;
}

// The larger one is taken out; the other one's distance from it is at least 0. Infinite values that are equal have the
// distance 0.
Tensor logaddexp(const Tensor& a, const Tensor& b) {
  kernels::expect_same_device("logaddexp", {&a, &b});
  if (any_half(a, b)) return rounded_like(logaddexp(in_f32(a), in_f32(b)), a, b);
  const Tensor a_leads = kernels::ge(a, b);
  const Tensor high = where(a_leads, a, b), low = where(a_leads, b, a);
  const Tensor are_infinite = kernels::logical_and(kernels::eq(high, low), kernels::eq(kernels::abs(high), HUGE_VAL));
  return high - logsigmoid(where(are_infinite, 0, high - low));
}

namespace {

bool is_whole(const Scalar& number) { return !is_floating(number.dtype()); }

[[noreturn]] void reject_alpha(const char* op, const Scalar& alpha) {
  throw DtypeError(expected(op) + "a whole alpha, because no operand is floating, got " + alpha.to_string());
}

// alpha b in the dtype of a + alpha b.
Tensor scaled(const char* op, const Tensor& a, const Tensor& b, const Scalar& alpha) {
  const DType dtype = result_type(autograd::operand_of(a), autograd::operand_of(b));
  if (!is_whole(alpha) && !is_floating(dtype)) reject_alpha(op, alpha);
  if (dtype == DType::boolean) return to(b, dtype) * Scalar(alpha.to<double>() != 0);
  return to(b, dtype) * alpha;
}

// Whole numbers stay whole, and wrap as those of tensors do.
Scalar scaled(const char* op, const Tensor& a, const Scalar& b, const Scalar& alpha) {
  if (!is_whole(alpha) && is_whole(b) && !is_floating(a.dtype())) reject_alpha(op, alpha);
  if (!is_whole(alpha) || !is_whole(b)) return b.to<double>() * alpha.to<double>();
  if (a.dtype() == DType::boolean && b.dtype() == DType::boolean) return b.to<bool>() && alpha.to<double>() != 0;
  const auto bits = [](const Scalar& x) { return static_cast<std::uint64_t>(x.to<std::int64_t>()); };
  return static_cast<std::int64_t>(bits(b) * bits(alpha));
}

}  // namespace

Tensor add(const Tensor& a, Input b, Scalar alpha) {
  kernels::expect_defined("add", a);
  if (!b.is_tensor()) return a + scaled("add", a, b.number(), alpha);
  kernels::expect_same_device("add", {&a, &b.tensor()});
  if (any_half(a, b.tensor())) return rounded_like(add(in_f32(a), in_f32(b.tensor()), alpha), a, b.tensor());
  return a + scaled("add", a, b.tensor(), alpha);
}

Tensor sub(const Tensor& a, Input b, Scalar alpha) {
  kernels::expect_defined("sub", a);
  if (!b.is_tensor()) return a - scaled("sub", a, b.number(), alpha);
  kernels::expect_same_device("sub", {&a, &b.tensor()});
  if (any_half(a, b.tensor())) return rounded_like(sub(in_f32(a), in_f32(b.tensor()), alpha), a, b.tensor());
  return a - scaled("sub", a, b.tensor(), alpha);
}

Tensor lerp(const Tensor& start, const Tensor& end, Input weight) {
  const Tensor factor = weight.is_tensor() ? weight.tensor() : Tensor();
  if (any_half(start, end, factor)) {
    const Tensor from = in_f32(start), to_end = in_f32(end), w = in_f32(factor);
    const Tensor y = weight.is_tensor() ? lerp(from, to_end, w) : lerp(from, to_end, weight);
    return weight.is_tensor() ? rounded_like(y, start, end, factor) : rounded_like(y, start, end);
  }
  kernels::expect_floating("lerp", {&start, &end});
  const Tensor difference = end - start;
  if (weight.is_tensor()) {
    kernels::expect_floating("lerp", {&start, &weight.tensor()});
    const Tensor& w = weight.tensor();
    return where(kernels::lt(kernels::abs(w), 0.5), start + w * difference, end - (1 - w) * difference);
  }
  const double w = weight.number().to<double>();
  return std::abs(w) < 0.5 ? start + w * difference : end - (1 - w) * difference;
}

Tensor addcmul(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value) {
  kernels::expect_same_device("addcmul", {&x, &a, &b});
  if (any_half(x, a, b)) return rounded_like(addcmul(in_f32(x), in_f32(a), in_f32(b), value), x, a, b);
  return x + value * a * b;
}

Tensor addcdiv(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value) {
  kernels::expect_same_device("addcdiv", {&x, &a, &b});
  if (any_half(x, a, b)) return rounded_like(addcdiv(in_f32(x), in_f32(a), in_f32(b), value), x, a, b);
  return x + value * (a / b);
}

}  // namespace hop
