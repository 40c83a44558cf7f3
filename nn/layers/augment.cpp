#include "nn/layers/augment.h"

#include "autograd/ops.h"
#include "base/error.h"
#include "base/words.h"
#include "kernels/random.h"

namespace hop::nn {
namespace {

void expect_images(const char* layer, const Tensor& x) {
  if (x.dim() == 4) return;
  throw ShapeError("[" + std::string(layer) + "] expected images (N, C, H, W), got " + x.shape().to_string());
}

// (n, 1, 1, 1): a number in [0, 1) for each image.
Tensor uniform(std::int64_t n, Device device, RandomAddress address) {
  const Tensor numbers = Tensor::empty({n, 1, 1, 1}, DType::f32, device);
  kernels::uniform_(numbers, 0, 1, address);
  return numbers;
}

// (n, 1, 1, 1) i64: a whole number from -most to most for each image.
Tensor moves(std::int64_t n, std::int64_t most, Device device, RandomAddress address) {
  return to(uniform(n, device, address) * static_cast<double>(2 * most + 1), DType::i64) - most;
}

// 0, 1, .. along one of four dimensions.
Tensor places(std::int64_t n, const Shape& shape, Device device) {
  return reshape(arange(n, DType::i64, device), shape);
}

}  // namespace

RandomCrop::RandomCrop(std::int64_t padding) : padding_(padding) {
  if (padding < 0) throw ConfigError("[RandomCrop] expected a padding of 0 or more, got " + std::to_string(padding));
}

// Every pixel of the result is gathered: from the image, or from a zero that stands behind its last pixel.
Tensor RandomCrop::forward(const Tensor& x) {
  expect_images("RandomCrop", x);
  if (!is_training() || padding_ == 0) return x;
  const std::int64_t n = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3);
  const std::int64_t pixels = channels * height * width;
  const Tensor row = places(height, {1, 1, height, 1}, x.device()) + moves(n, padding_, x.device(), next_random());
  const Tensor column = places(width, {1, 1, 1, width}, x.device()) + moves(n, padding_, x.device(), next_random());
  const Tensor channel = places(channels, {1, channels, 1, 1}, x.device()) * (height * width);
  const auto within = [](const Tensor& place, std::int64_t size, const Tensor& then, const Tensor& otherwise) {
    return where(place >= 0, where(place < size, then, otherwise), otherwise);
  };
  const Tensor zero = to(full({}, static_cast<double>(pixels), {.device = x.device()}), DType::i64);
  const Tensor place = row * width + column + channel;
  const Tensor index = within(row, height, within(column, width, place, zero), zero);
  const Tensor padded = cat({reshape(x, {n, pixels}), zeros({n, 1}, {.dtype = x.dtype(), .device = x.device()})}, 1);
  return reshape(gather(padded, 1, reshape(index, {n, pixels})), x.shape());
}

std::string RandomCrop::extra_repr() const { return "padding=" + std::to_string(padding_); }

RandomHorizontalFlip::RandomHorizontalFlip(double p) : p_(p) {
  if (!(p >= 0 && p <= 1)) {
    throw ConfigError("[RandomHorizontalFlip] expected a probability in 0..1, got " + shortest(p));
  }
}

Tensor RandomHorizontalFlip::forward(const Tensor& x) {
  expect_images("RandomHorizontalFlip", x);
  if (!is_training() || p_ == 0) return x;
  const Tensor mirrored = (x.size(3) - 1) - arange(x.size(3), DType::i64, x.device());
  const Tensor is_flipped = uniform(x.size(0), x.device(), next_random()) < p_;
  return where(is_flipped, index_select(x, 3, mirrored), x);
}

std::string RandomHorizontalFlip::extra_repr() const { return "p=" + shortest(p_); }

}  // namespace hop::nn
