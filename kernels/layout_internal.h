// How images (N, C, H, W) lie in memory: contiguous, plane by plane, or dense with the channels of a pixel side by side
// (channels last, NHWC), which convolutions like best. Shapes say NCHW either way.
#pragma once

#include "tensor/tensor.h"

namespace hop::kernels {

enum class Layout { contiguous, channels_last };

/// The strides of an image with its channels innermost.
Strides channels_last_strides(const Shape& shape);
/// Whether x is an image, dense with its channels innermost, and not contiguous as well (one channel, or one pixel:
/// such images lie the same either way and count as contiguous).
bool is_channels_last(const Tensor& x);
/// channels_last or, for anything else, contiguous.
inline Layout layout_of(const Tensor& x) { return is_channels_last(x) ? Layout::channels_last : Layout::contiguous; }

/// Uninitialised elements; `shape` is an image's where the layout is channels_last.
Tensor empty_in(Layout layout, const Shape& shape, DType dtype, Device device);
/// x itself if it lies so already, else a copy that does.
Tensor in_layout(Layout layout, const Tensor& x);
/// An operand as x's device takes images: x itself where it is contiguous, or channels last and the device's operations
/// read that; else a contiguous copy.
Tensor image_operand(const Tensor& x);

/// The dimensions of an image in the order of its memory, for loops over it: (N, H, W, C). Shape or Strides.
template <class Dims>
Dims channels_innermost(const Dims& nchw) {
  Dims nhwc = nchw;
  nhwc[1] = nchw[2];
  nhwc[2] = nchw[3];
  nhwc[3] = nchw[1];
  return nhwc;
}

}  // namespace hop::kernels
