#include "nn/layers/normalize.h"

#include <cmath>

#include "autograd/ops.h"
#include "base/error.h"
#include "base/words.h"
#include "kernels/expect_internal.h"

namespace hop::nn {
namespace {

Tensor numbers(std::span<const double> values) {
  const Tensor tensor = Tensor::empty({static_cast<std::int64_t>(values.size())}, DType::f32);
  for (std::size_t i = 0; i < values.size(); ++i) tensor.data<float>()[i] = static_cast<float>(values[i]);
  return tensor;
}

void check(std::span<const double> mean, std::span<const double> deviation) {
  if (mean.empty() || mean.size() != deviation.size()) {
    throw ConfigError("[Normalize] expected a mean and a std for each channel, got " + std::to_string(mean.size()) +
                      " and " + std::to_string(deviation.size()));
  }
  for (std::size_t i = 0; i < mean.size(); ++i) {
    if (std::isfinite(mean[i]) && std::isfinite(deviation[i]) && deviation[i] > 0) continue;
    throw ConfigError("[Normalize] expected finite means and stds above 0, got " + shortest(mean[i]) + " and " +
                      shortest(deviation[i]));
  }
}

}  // namespace

Normalize::Normalize(std::span<const double> means, std::span<const double> deviations)
    : mean(register_buffer("mean", (check(means, deviations), numbers(means)))),
      deviation(register_buffer("std", numbers(deviations))) {}

Tensor Normalize::forward(const Tensor& x) {
  kernels::expect_defined("Normalize", x);
  const std::int64_t channels = mean.size(0);
  if (x.dim() != 4 || x.size(1) != channels) {
    throw ShapeError("[Normalize] expected images (N, " + std::to_string(channels) + ", H, W), got " +
                     x.shape().to_string());
  }
  return (x - reshape(mean, {channels, 1, 1})) / reshape(deviation, {channels, 1, 1});
}

std::string Normalize::extra_repr() const { return "channels=" + std::to_string(mean.size(0)); }

}  // namespace hop::nn
