#include "nn/layers/dropout.h"

#include <cmath>
#include <string>

#include "autograd/dropout.h"
#include "autograd/elementwise.h"
#include "autograd/half_internal.h"
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

/// (N, C, 1, ..) beside x (N, C, ..).
Shape per_channel(const Tensor& x) {
  Shape shape = x.shape();
  for (int d = 2; d < x.dim(); ++d) shape[d] = 1;
  return shape;
}

/// SELU's limit where a drop of `shape` says so, with p < 1; mean 0 and variance 1 stay.
Tensor alpha_dropout(const Tensor& x, const Shape& shape, double p, RandomAddress address) {
  constexpr double kLimit = -1.7580993408473766;  // of SELU at -infinity: -scale alpha
  const double scale = 1 / std::sqrt((kLimit * kLimit * p + 1) * (1 - p));
  const Tensor is_kept = kernels::ne(noise(shape, x, p, address), 0);
  return where(is_kept, x, kLimit) * scale - kLimit * p * scale;
}

}  // namespace

Dropout::Dropout(double p) : p_(checked("Dropout", p)) {}

Tensor Dropout::forward(const Tensor& x) {
  if (!is_active()) return x;
  return dropout(x, p_, next_random());
}

std::optional<RandomAddress> Dropout::next_address() {
  return is_forward_alone() ? std::optional(next_random()) : std::nullopt;
}

std::string Dropout::extra_repr() const { return "p=" + shortest(p_); }

ChannelDropout::ChannelDropout(const char* name, const char* form, int dims, double p)
    : name_(name), form_(form), dims_(dims), p_(checked(name, p)) {}

Tensor ChannelDropout::forward(const Tensor& x) {
  if (autograd::any_half(x)) return autograd::rounded_like(forward(autograd::in_f32(x)), x);
  kernels::expect_floating(name_, x);
  if (x.dim() != dims_)
    throw ShapeError("[" + std::string(name_) + "] expected " + form_ + ", got " + x.shape().to_string());
  if (!is_training() || p_ == 0) return x;
  return x * noise(per_channel(x), x, p_, next_random());
}

std::string ChannelDropout::extra_repr() const { return "p=" + shortest(p_); }

AlphaDropout::AlphaDropout(double p) : p_(checked("AlphaDropout", p)) {}

Tensor AlphaDropout::forward(const Tensor& x) {
  if (autograd::any_half(x)) return autograd::rounded_like(forward(autograd::in_f32(x)), x);
  kernels::expect_floating("AlphaDropout", x);
  if (!is_training() || p_ == 0) return x;
  return p_ == 1 ? x * 0 : alpha_dropout(x, x.shape(), p_, next_random());
}

std::string AlphaDropout::extra_repr() const { return "p=" + shortest(p_); }

FeatureAlphaDropout::FeatureAlphaDropout(double p) : p_(checked("FeatureAlphaDropout", p)) {}

Tensor FeatureAlphaDropout::forward(const Tensor& x) {
  if (autograd::any_half(x)) return autograd::rounded_like(forward(autograd::in_f32(x)), x);
  kernels::expect_floating("FeatureAlphaDropout", x);
  if (x.dim() < 2) throw ShapeError("[FeatureAlphaDropout] expected (N, C, ..), got " + x.shape().to_string());
  if (!is_training() || p_ == 0) return x;
  return p_ == 1 ? x * 0 : alpha_dropout(x, per_channel(x), p_, next_random());
}

std::string FeatureAlphaDropout::extra_repr() const { return "p=" + shortest(p_); }

}  // namespace hop::nn
