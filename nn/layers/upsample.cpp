#include "nn/layers/upsample.h"

#include <span>

#include "autograd/arrange.h"
#include "autograd/view.h"
#include "base/error.h"
#include "kernels/expect_internal.h"
#include "nn/detail/layer.h"
#include "nn/detail/text.h"

namespace hop::nn {

Upsample::Upsample(Size2d scale_factor) : scale_factor_(scale_factor) {
  detail::check_positive("Upsample",
                         {{"vertical factor", scale_factor.height}, {"horizontal factor", scale_factor.width}});
}

Tensor Upsample::forward(const Tensor& x) {
  kernels::expect_defined("Upsample", x);
  if (x.dim() != 4) throw ShapeError("[Upsample] expected (N, C, H, W), got " + x.shape().to_string());
  return repeat_interleave(repeat_interleave(x, scale_factor_.height, 2), scale_factor_.width, 3);
}

std::string Upsample::extra_repr() const {
  return "scale_factor=" + detail::pair_text(scale_factor_.array()) + ", mode='nearest'";
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
