// How images (N, C, H, W) lie in memory: contiguous, plane by plane, or dense with the channels of a pixel side by side
// (channels last, NHWC), the fastest layout for convolutions. Shapes are NCHW in both cases.
#pragma once

#include "tensor/memory_format.h"
#include "tensor/scalar.h"
#include "tensor/tensor.h"

namespace hop::kernels {

using Layout = MemoryFormat;

/// The strides of an image with its channels innermost.
Strides channels_last_strides(const Shape& shape);
/// Whether x is an image, dense with its channels innermost, and not contiguous. An image of one channel or one pixel
/// is both and counts as contiguous.
bool is_channels_last(const Tensor& x);
/// Whether x is an image of several channels and pixels, and the channels of a pixel lie side by side: x is channels
/// last, or a part of an image that is (some channels, a window).
bool has_channels_innermost(const Tensor& x);
/// Whether images of this shape lie in the same way in both layouts: one channel, or one pixel.
inline bool lies_both_ways(const Shape& shape) { return shape[1] == 1 || shape[2] * shape[3] == 1; }
/// channels_last if is_channels_last(x), otherwise contiguous.
inline Layout layout_of(const Tensor& x) { return is_channels_last(x) ? Layout::channels_last : Layout::contiguous; }

/// Whether operations of the device read and keep images that are dense with channels last. CUDA's kernels work on
/// planes.
inline bool keeps_channels_last(Device device) { return device.is_cpu(); }
/// The layout of a result that lies like x, if the device keeps it.
inline Layout kept_layout(const Tensor& x) {
  return keeps_channels_last(x.device()) ? layout_of(x) : Layout::contiguous;
}
/// The layout of a copy of x, if the device keeps it: also a part of an image with channels last is copied to an image
/// with channels last.
inline Layout copied_layout(const Tensor& x) {
  return keeps_channels_last(x.device()) && has_channels_innermost(x) ? Layout::channels_last : Layout::contiguous;
}

/// A tensor with uninitialised elements. For channels_last `shape` must be an image's.
Tensor empty_in(Layout layout, const Shape& shape, DType dtype, Device device);
/// The same, filled. Throws DtypeError for a number that `dtype` cannot hold.
Tensor full_in(Layout layout, const Shape& shape, Scalar value, DType dtype, Device device);
/// x itself if it has this layout, otherwise a copy that has it.
Tensor in_layout(Layout layout, const Tensor& x);
/// x in a layout that its device reads: x itself if it lies in kept_layout(x), otherwise a contiguous copy.
inline Tensor image_operand(const Tensor& x) { return in_layout(kept_layout(x), x); }

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
