#include "kernels/random.h"

#include <cmath>
#include <string>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/expect_internal.h"
#include "kernels/half_internal.h"
#include "kernels/layout_internal.h"
#include "kernels/random_operations.h"

namespace hop::kernels {
namespace {

void expect_target(const char* op, const Tensor& y) {
  expect_any_floating(op, y);
  if (!y.is_contiguous() && !is_channels_last(y))
    throw ShapeError("[" + std::string(op) + "] expected a contiguous tensor, got a strided view of " + y.describe());
}

}  // namespace

void uniform_(const Tensor& y, double low, double high, RandomAddress address) {
  expect_target("uniform_", y);
  // The distance must be finite in y's dtype, too: that of (-3e38, 3e38) is not in f32.
  const auto is_finite = [dtype = y.dtype()](double v) { return std::isfinite(v) && Scalar(v).fits(dtype); };
  if (!(low <= high) || !is_finite(low) || !is_finite(high) || !is_finite(high - low)) {
    throw ConfigError("[uniform_] expected finite low <= high and a distance that " + std::string(name(y.dtype())) +
                      " holds, got " + Scalar(low).to_string() + " and " + Scalar(high).to_string());
  }
  if (low == high) return fill_(y, low);
  if (!y.is_contiguous()) {
    const Tensor planes = Tensor::empty(y.shape(), y.dtype(), y.device());
    uniform_(planes, low, high, address);
    return copy_(y, planes);
  }
  if (is_half(y)) {
    const Tensor wide = Tensor::empty(y.shape(), DType::f32, y.device());
    uniform_(wide, low, high, address);
    const Tensor drawn = narrowed("uniform_", wide, y.dtype());
    return copy_(y, where(ge(drawn, high), low, drawn));  // rounding may reach `high`: torch.rand does the same
  }
  if (y.numel() != 0) operations<RandomOperations>(y).uniform(y, low, high, address);
  y.bump_version();
}

void normal_(const Tensor& y, double mean, double std, RandomAddress address) {
  expect_target("normal_", y);
  if (!(std >= 0) || !std::isfinite(std) || !std::isfinite(mean)) {
    throw ConfigError("[normal_] expected a finite mean and a finite std >= 0, got " + Scalar(mean).to_string() +
                      " and " + Scalar(std).to_string());
  }
  if (!y.is_contiguous()) {
    const Tensor planes = Tensor::empty(y.shape(), y.dtype(), y.device());
    normal_(planes, mean, std, address);
    return copy_(y, planes);
  }
  if (is_half(y)) {
    const Tensor wide = Tensor::empty(y.shape(), DType::f32, y.device());
    normal_(wide, mean, std, address);
    return copy_(y, wide);
  }
  if (y.numel() != 0) operations<RandomOperations>(y).normal(y, mean, std, address);
  y.bump_version();
}

Tensor dropout(const Tensor& x, double p, RandomAddress address) {
  expect_any_floating("dropout", x);
  if (is_half(x)) return narrowed("dropout", dropout(widened(x), p, address), x.dtype());
  if (!(p >= 0 && p <= 1)) throw ConfigError("[dropout] expected 0 <= p <= 1, got " + Scalar(p).to_string());
  const Layout layout = copied_layout(x);
  if (p == 1) return full_in(layout, x.shape(), 0, x.dtype(), x.device());
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  if (y.numel() != 0) operations<RandomOperations>(x).dropout(contiguous(x), y, p, address);
  return in_layout(layout, y);  // random numbers belong to the elements in row-major order
}

}  // namespace hop::kernels
