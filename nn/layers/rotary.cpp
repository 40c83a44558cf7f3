#include "nn/layers/rotary.h"

#include <cmath>
#include <string>
#include <vector>

#include "autograd/half_internal.h"
#include "autograd/ops.h"
#include "base/error.h"
#include "base/words.h"
#include "kernels/expect_internal.h"

namespace hop::nn {

namespace {

/// The angles of the pairs at each position: (positions, pairs) f64.
Tensor angles(std::int64_t positions, std::int64_t pairs, const RotaryOptions& options, Device device) {
  const Tensor position = arange(positions, DType::f64, device) + static_cast<double>(options.first);
  const double step = -std::log(options.base) / static_cast<double>(pairs);
  return outer(position, exp(arange(pairs, DType::f64, device) * step));
}

void check(const Tensor& x, const RotaryOptions& options) {
  kernels::expect_floating("rotary_embedding", x);
  if (x.dim() < 2 || x.size(-1) % 2 != 0)
    throw ShapeError("[rotary_embedding] expected (.., S, E) with an even E, got " + x.shape().to_string());
  if (!(options.base > 0 && std::isfinite(options.base)) || options.first < 0) {
    throw ConfigError("[rotary_embedding] expected a base above 0 and a first position of at least 0, got " +
                      shortest(options.base) + " and " + std::to_string(options.first));
  }
}

}  // namespace

Tensor functional::rotary_embedding(const Tensor& x, const RotaryOptions& options) {
  if (autograd::any_half(x)) return autograd::rounded_like(rotary_embedding(autograd::in_f32(x), options), x);
  check(x, options);
  const std::int64_t pairs = x.size(-1) / 2;
  const Tensor turns = angles(x.size(-2), pairs, options, x.device());
  const Tensor c = to(cos(turns), x.dtype()), s = to(sin(turns), x.dtype());
  Shape split = x.shape();
  split.back() = pairs;
  split.push_back(2);
  const std::vector<Tensor> v = options.interleaved ? unbind(reshape(x, split), -1) : chunk(x, 2, -1);
  const Tensor first = v[0] * c - v[1] * s, second = v[0] * s + v[1] * c;
  return options.interleaved ? reshape(stack({first, second}, -1), x.shape()) : cat({first, second}, -1);
}

}  // namespace hop::nn
