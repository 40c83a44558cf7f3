#include "nn/layers/shrink.h"

#include <cmath>

#include "autograd/activations.h"
#include "autograd/elementwise.h"
#include "autograd/half_internal.h"
#include "autograd/softmax.h"
#include "base/error.h"
#include "base/words.h"
#include "kernels/expect_internal.h"
#include "kernels/random.h"

namespace hop::nn {

Tensor Hardshrink::forward(const Tensor& x) { return hardshrink(x, lambd_); }
std::string Hardshrink::extra_repr() const { return shortest(lambd_); }

Softshrink::Softshrink(double lambd) : lambd_(lambd) {
  if (!(lambd >= 0)) throw ConfigError("[Softshrink] expected a lambd of at least 0, got " + shortest(lambd));
}
Tensor Softshrink::forward(const Tensor& x) { return softshrink(x, lambd_); }
std::string Softshrink::extra_repr() const { return shortest(lambd_); }

Tensor Tanhshrink::forward(const Tensor& x) { return tanhshrink(x); }

Tensor Threshold::forward(const Tensor& x) { return threshold(x, threshold_, value_); }
std::string Threshold::extra_repr() const {
  return "threshold=" + shortest(threshold_) + ", value=" + shortest(value_);
}

RReLU::RReLU(double lower, double upper) : lower_(lower), upper_(upper) {
  if (!(lower <= upper) || !std::isfinite(lower) || !std::isfinite(upper)) {
    throw ConfigError("[RReLU] expected lower <= upper, both finite, got " + shortest(lower) + " and " +
                      shortest(upper));
  }
}

Tensor RReLU::forward(const Tensor& x) {
  if (autograd::any_half(x)) return autograd::rounded_like(forward(autograd::in_f32(x)), x);
  kernels::expect_floating("RReLU", x);
  const Tensor is_negative = kernels::le(x, 0);  // 0, too: its gradient is the slope
  if (!is_training() || lower_ == upper_) return where(is_negative, x * ((lower_ + upper_) / 2), x);
  const Tensor slopes = Tensor::empty(x.shape(), x.dtype(), x.device());
  kernels::uniform_(slopes, lower_, upper_, next_random());
  return where(is_negative, x * slopes, x);
}

std::string RReLU::extra_repr() const { return "lower=" + shortest(lower_) + ", upper=" + shortest(upper_); }

Tensor Softmin::forward(const Tensor& x) { return softmax(-x, dim_); }
std::string Softmin::extra_repr() const { return "dim=" + std::to_string(dim_); }

Tensor Softmax2d::forward(const Tensor& x) {
  kernels::expect_defined("Softmax2d", x);
  if (x.dim() != 3 && x.dim() != 4)
    throw ShapeError("[Softmax2d] expected (N, C, H, W) or (C, H, W), got " + x.shape().to_string());
  return softmax(x, -3);
}

}  // namespace hop::nn
