// Differentiable convolution of volumes and its transpose, composed of the 2-d ones (autograd/conv.h): the planes under
// the depth of a kernel become channels of one image. So they run wherever conv2d() does. Beside the convolution of
// images they cost a copy of the input, as many times as the kernel is deep.
#pragma once

#include <array>
#include <cstdint>

#include "autograd/same_padding.h"
#include "tensor/tensor.h"

namespace hop {

/// Triples are (depth, rows, columns).
struct Conv3dOptions {
  std::array<std::int64_t, 3> stride = {1, 1, 1};
  std::array<std::int64_t, 3> padding = {0, 0, 0};   ///< zeros added on every side
  std::array<std::int64_t, 3> dilation = {1, 1, 1};  ///< distance between the kernel's taps
  std::int64_t groups = 1;  ///< input and output channels are divided into this many independent convolutions
};

/// torch.nn.functional.conv3d: x (N, C, D, H, W), weight (K, C / groups, T, R, S), bias (K) or undefined -> (N, K, O,
/// P, Q) with O = (D + 2 padding - dilation (T - 1) - 1) / stride + 1, rounded down; P and Q likewise for rows and
/// columns. Or (C, D, H, W) -> (K, O, P, Q). Floating, equal dtypes. The result is a view, mostly not contiguous: call
/// contiguous(y) before you read raw data. Memory: N O C T H W elements. Throws ShapeError, DtypeError.
Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Conv3dOptions& options = {});
/// padding="same": the result has x's sizes. Throws ShapeError for a stride or a padding in `options`. (padding="valid"
/// is none.)
Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias, SamePadding padding,
              const Conv3dOptions& options = {});

/// Triples are (depth, rows, columns).
struct ConvTranspose3dOptions {
  std::array<std::int64_t, 3> stride = {1, 1, 1};
  std::array<std::int64_t, 3> padding = {0, 0, 0};  ///< cut from every side of the result
  /// More at the end of each dimension: below the stride or below the dilation.
  std::array<std::int64_t, 3> output_padding = {0, 0, 0};
  std::int64_t groups = 1;
  std::array<std::int64_t, 3> dilation = {1, 1, 1};
};

/// torch.nn.functional.conv_transpose3d, the gradient of conv3d() with respect to its input, as an operation: x (N, C,
/// D, H, W), weight (C, K / groups, T, R, S), bias (K) or undefined -> (N, K, O, P, Q) with O = (D - 1) stride - 2
/// padding + dilation (T - 1) + output_padding + 1; P and Q likewise. Or (C, D, H, W) -> (K, O, P, Q). Layout as of
/// conv3d(). Memory: N D K T P Q elements. Throws ShapeError,
/// DtypeError.
Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTranspose3dOptions& options = {});

}  // namespace hop
