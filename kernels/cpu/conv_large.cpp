// Convolution in f32 of tensors that are too large for oneDNN's 32-bit offsets.
#include <algorithm>
#include <limits>

#include "kernels/copy.h"
#include "kernels/cpu/conv_internal.h"
#include "kernels/elementwise.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kMostBytes = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kBlock = 16;        // channels, to which oneDNN may round up
constexpr std::int64_t kBytesAhead = 128;  // of a pixel: code for one tap holds the offset of four blocks of 8 channels

std::int64_t padded(std::int64_t channels) { return (channels + kBlock - 1) / kBlock * kBlock; }

/// How many images of `elements` fit into a tensor of kMostBytes.
std::int64_t images_that_fit(std::int64_t elements) {
  return kMostBytes / static_cast<std::int64_t>(sizeof(float)) / std::max<std::int64_t>(1, elements);
}

/// `count` images from `first` on.
Tensor part_of(const Tensor& images, std::int64_t first, std::int64_t count) {
  Shape shape = images.shape();
  shape[0] = count;
  return images.as_strided(shape, images.strides(), images.storage_offset() + first * images.strides()[0]);
}

}  // namespace

std::int64_t images_for_onednn(ConvPass pass, const ConvSizes& z, bool with_bias) {
  const std::int64_t pixels_in = z.h * z.w, pixels_out = z.p * z.q;
  const std::int64_t weights = padded(z.k) * padded(z.c) / z.options.groups * z.r * z.s;
  if (weights > kMostBytes / static_cast<std::int64_t>(sizeof(float))) return 0;
  if (z.r == 1 && z.s == 1 && std::max(pixels_in, pixels_out) > kMostBytes / kBytesAhead) return 0;
  const std::int64_t in_blocks =
      std::min(images_that_fit(padded(z.c) * pixels_in), images_that_fit(padded(z.k) * pixels_out));
  if (in_blocks >= z.n) return in_blocks;
  const std::int64_t bare = std::min({z.n, images_that_fit(z.c * pixels_in), images_that_fit(z.k * pixels_out)});
  const auto fits = [&](std::int64_t images) {
    ConvSizes part = z;
    part.n = images;
    return images == 0 || image_bytes_in_onednn(pass, part, with_bias) <= kMostBytes;
  };
  return bare > in_blocks && fits(bare) && fits(z.n % bare) ? bare : in_blocks;
}

void conv2d_in_parts(ConvPass pass, const ConvSizes& z, const Tensor& x, const Tensor& weight, const Tensor& bias,
                     const Tensor& y, std::int64_t images) {
  ConvSizes part = z;
  for (std::int64_t first = 0; first < z.n; first += images) {
    part.n = std::min(images, z.n - first);
    const bool adds = pass == ConvPass::weight_grad && first != 0;
    const Tensor own = adds ? Tensor::empty(weight.shape(), weight.dtype()) : weight;
    conv2d_with_onednn(pass, part, part_of(x, first, part.n), own, bias, part_of(y, first, part.n));
    if (adds) evaluate_into(weight, rows::Add{}, weight, own);
  }
}

void conv2d_in_doubles(ConvPass pass, const ConvSizes& z, const Tensor& x, const Tensor& weight, const Tensor& bias,
                       const Tensor& y) {
  const Tensor& result = pass == ConvPass::forward ? y : pass == ConvPass::input_grad ? x : weight;
  const auto wide = [&result](const Tensor& t) {
    if (&t == &result) return Tensor::empty(t.shape(), DType::f64);
    return t.defined() ? contiguous(cast(t, DType::f64)) : t;
  };
  const Tensor wide_x = wide(x), wide_weight = wide(weight), wide_y = wide(y);
  conv2d_by_products(pass, z, wide_x, wide_weight, wide(bias), wide_y);
  copy_(result, pass == ConvPass::forward ? wide_y : pass == ConvPass::input_grad ? wide_x : wide_weight);
}

}  // namespace hop::kernels::cpu
