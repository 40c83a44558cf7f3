#include "nn/layers/upsample.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string_view>

#include "autograd/arrange.h"
#include "autograd/view.h"
#include "base/error.h"
#include "base/words.h"
#include "kernels/expect_internal.h"
#include "nn/detail/layer.h"

namespace hop::nn {

namespace {

/// PyTorch's text of one number, or of one per dimension.
template <class Numbers>
std::string text_of(const Numbers& numbers) {
  std::string text;
  for (const auto number : numbers) text += (text.empty() ? "" : ", ") + shortest(static_cast<double>(number));
  return numbers.size() == 1 ? text : "(" + text + ")";
}

std::string_view name_of(InterpolateMode mode) {
  constexpr std::array<std::string_view, 7> kNames = {"nearest",   "nearest-exact", "linear", "bilinear",
                                                      "trilinear", "bicubic",       "area"};
  return kNames[static_cast<std::size_t>(mode)];
}

}  // namespace

Upsample::Upsample(Size2d scale_factor)
    : options_{.scale_factor = {static_cast<double>(scale_factor.height), static_cast<double>(scale_factor.width)}},
      is_of_images_(true) {
  detail::check_positive("Upsample",
                         {{"vertical factor", scale_factor.height}, {"horizontal factor", scale_factor.width}});
}

Upsample::Upsample(InterpolateOptions options) : options_(std::move(options)) {
  if (options_.size.empty() != options_.scale_factor.empty()) return;
  throw ConfigError("[Upsample] expected either size or scale_factor, got " +
                    std::string(options_.size.empty() ? "neither" : "both"));
}

/// Whether each element is repeated a whole number of times.
bool Upsample::repeats() const {
  if (options_.mode != InterpolateMode::nearest || options_.align_corners) return false;
  for (const double factor : options_.scale_factor) {
    if (!(factor >= 1 && factor < 0x1p31) || factor != std::floor(factor)) return false;
  }
  return !options_.scale_factor.empty();
}

Tensor Upsample::forward(const Tensor& x) {
  const std::string op = type_name();
  kernels::expect_defined(op.c_str(), x);
  if (is_of_images_ && x.dim() != 4) throw ShapeError("[Upsample] expected (N, C, H, W), got " + x.shape().to_string());
  const auto spatial = static_cast<std::size_t>(std::max(x.dim() - 2, 0));
  const std::vector<double>& factors = options_.scale_factor;
  const bool fits = spatial >= 1 && spatial <= 3 && (factors.size() == 1 || factors.size() == spatial);
  if (!repeats() || !fits) return interpolate(x, options_);
  Tensor y = x;
  for (std::size_t d = 0; d < spatial; ++d) {
    const double factor = factors[factors.size() == 1 ? 0 : d];
    y = repeat_interleave(y, static_cast<std::int64_t>(factor), static_cast<std::int64_t>(d) + 2);
  }
  return y;
}

std::string Upsample::extra_repr() const {
  const bool is_sized = !options_.size.empty();
  return (is_sized ? "size=" + text_of(options_.size) : "scale_factor=" + text_of(options_.scale_factor)) + ", mode='" +
         std::string(name_of(options_.mode)) + "'";
}

PixelShuffle::PixelShuffle(std::int64_t upscale_factor) : upscale_factor_(upscale_factor) {
  detail::check_positive("PixelShuffle", {{"upscale_factor", upscale_factor}});
  checked_mul(upscale_factor, upscale_factor, "PixelShuffle");
}

Tensor PixelShuffle::forward(const Tensor& x) {
  kernels::expect_defined("PixelShuffle", x);
  const std::int64_t r = upscale_factor_;
  if (x.dim() < 3 || x.size(-3) % (r * r) != 0) {
    throw ShapeError("[PixelShuffle] expected (.., C, H, W) with C a multiple of " + std::to_string(r * r) + ", got " +
                     x.shape().to_string());
  }
  const std::int64_t channels = x.size(-3) / (r * r), height = x.size(-2), width = x.size(-1);
  Shape shape(std::span(x.shape().begin(), static_cast<std::size_t>(x.dim() - 3)));
  const Tensor cells = reshape(x, {shape.numel() * channels, r, r, height, width});
  for (const std::int64_t size : {channels, height * r, width * r}) shape.push_back(size);
  return reshape(permute(cells, {0, 3, 1, 4, 2}), shape);
}

std::string PixelShuffle::extra_repr() const { return "upscale_factor=" + std::to_string(upscale_factor_); }

PixelUnshuffle::PixelUnshuffle(std::int64_t downscale_factor) : downscale_factor_(downscale_factor) {
  detail::check_positive("PixelUnshuffle", {{"downscale_factor", downscale_factor}});
  checked_mul(downscale_factor, downscale_factor, "PixelUnshuffle");
}

Tensor PixelUnshuffle::forward(const Tensor& x) {
  kernels::expect_defined("PixelUnshuffle", x);
  const std::int64_t r = downscale_factor_;
  if (x.dim() < 3 || x.size(-2) % r != 0 || x.size(-1) % r != 0) {
    throw ShapeError("[PixelUnshuffle] expected (.., C, H, W) with multiples of " + std::to_string(r) +
                     " as height and width, got " + x.shape().to_string());
  }
  const std::int64_t channels = x.size(-3), height = x.size(-2) / r, width = x.size(-1) / r;
  Shape shape(std::span(x.shape().begin(), static_cast<std::size_t>(x.dim() - 3)));
  const Tensor cells = reshape(x, {shape.numel() * channels, height, r, width, r});
  for (const std::int64_t size : {channels * r * r, height, width}) shape.push_back(size);
  return reshape(permute(cells, {0, 2, 4, 1, 3}), shape);
}

std::string PixelUnshuffle::extra_repr() const { return "downscale_factor=" + std::to_string(downscale_factor_); }

ChannelShuffle::ChannelShuffle(std::int64_t groups) : groups_(groups) {
  detail::check_positive("ChannelShuffle", {{"groups", groups}});
}

Tensor ChannelShuffle::forward(const Tensor& x) {
  kernels::expect_defined("ChannelShuffle", x);
  if (x.dim() < 2 || x.size(1) % groups_ != 0) {
    throw ShapeError("[ChannelShuffle] expected (N, C, ..) with C a multiple of " + std::to_string(groups_) + ", got " +
                     x.shape().to_string());
  }
  if (x.numel() == 0) return x;
  const Tensor grouped = reshape(x, {x.size(0), groups_, x.size(1) / groups_, -1});
  return reshape(transpose(grouped, 1, 2), x.shape());
}

std::string ChannelShuffle::extra_repr() const { return "groups=" + std::to_string(groups_); }

}  // namespace hop::nn
