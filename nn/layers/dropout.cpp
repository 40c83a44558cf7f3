#include "nn/layers/dropout.h"

#include <cmath>
#include <string>

#include "autograd/dropout.h"
#include "autograd/elementwise.h"
#include "base/error.h"
#include "base/words.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/random.h"
#include "nn/detail/text.h"

namespace hop::nn {

namespace {

double checked(const char* op, double p) {
  if (p >= 0 && p <= 1) return p;
  throw ConfigError("[" + std::string(op) + "] expected a probability in 0..1, got " + shortest(p));
}

/// 0 with probability p, otherwise 1 / (1 - p).
Tensor noise(const Shape& shape, const Tensor& like, double p, RandomAddress address) {
  return kernels::dropout(kernels::ones(shape, like.dtype(), like.device()), p, address);
}

}  // namespace

Dropout::Dropout(double p) : p_(checked("Dropout", p)) {}

Tensor Dropout::forward(const Tensor& x) {
  if (!is_training() || p_ == 0) return x;
  return dropout(x, p_, next_random());
}

std::string Dropout::extra_repr() const { return "p=" + shortest(p_); }

Dropout2d::Dropout2d(double p) : p_(checked("Dropout2d", p)) {}

Tensor Dropout2d::forward(const Tensor& x) {
  kernels::expect_floating("Dropout2d", x);
  if (x.dim() != 4) throw ShapeError("[Dropout2d] expected (N, C, H, W), got " + x.shape().to_string());
  if (!is_training() || p_ == 0) return x;
  return x * noise({x.size(0), x.size(1), 1, 1}, x, p_, next_random());
}

std::string Dropout2d::extra_repr() const { return "p=" + shortest(p_); }

AlphaDropout::AlphaDropout(double p) : p_(checked("AlphaDropout", p)) {}

Tensor AlphaDropout::forward(const Tensor& x) {
  kernels::expect_floating("AlphaDropout", x);
  if (!is_training() || p_ == 0) return x;
  if (p_ == 1) return x * 0;
  constexpr double kLimit = -1.7580993408473766;  // of SELU at -infinity: -scale alpha
  const double scale = 1 / std::sqrt((kLimit * kLimit * p_ + 1) * (1 - p_));
  const Tensor is_kept = kernels::ne(noise(x.shape(), x, p_, next_random()), 0);
  return where(is_kept, x, kLimit) * scale - kLimit * p_ * scale;
}

std::string AlphaDropout::extra_repr() const { return "p=" + shortest(p_); }

}  // namespace hop::nn
