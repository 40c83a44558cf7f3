#include "nn/layers/local_response_norm.h"

#include "autograd/elementwise.h"
#include "autograd/half_internal.h"
#include "autograd/pad.h"
#include "autograd/pool.h"
#include "autograd/view.h"
#include "base/error.h"
#include "base/words.h"
#include "kernels/expect_internal.h"
#include "nn/detail/layer.h"

namespace hop::nn {

LocalResponseNorm::LocalResponseNorm(std::int64_t size, LocalResponseNormOptions options)
    : size_(size), options_(options) {
  detail::check_positive("LocalResponseNorm", {{"size", size}});
}

// The mean over channels is that of a window over a picture of C rows.
Tensor LocalResponseNorm::forward(const Tensor& x) {
  if (autograd::any_half(x)) return autograd::rounded_like(forward(autograd::in_f32(x)), x);
  kernels::expect_floating("LocalResponseNorm", x);
  if (x.dim() < 3) {
    throw ShapeError("[LocalResponseNorm] expected (N, C, ..) of at least three dimensions, got " +
                     x.shape().to_string());
  }
  if (x.numel() == 0) return x;
  const std::int64_t n = x.size(0), channels = x.size(1);
  const Tensor squares = reshape(x * x, {n, 1, channels, x.numel() / (n * channels)});
  const Tensor padded = pad(squares, {0, 0, size_ / 2, (size_ - 1) / 2});
  const Tensor mean = reshape(avg_pool2d(padded, {.kernel = {size_, 1}, .stride = {1, 1}}), x.shape());
  return x / pow(mean * options_.alpha + options_.k, options_.beta);
}

std::string LocalResponseNorm::extra_repr() const {
  return std::to_string(size_) + ", alpha=" + shortest(options_.alpha) + ", beta=" + shortest(options_.beta) +
         ", k=" + shortest(options_.k);
}

}  // namespace hop::nn
