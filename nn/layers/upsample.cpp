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

}  // namespace hop::nn
