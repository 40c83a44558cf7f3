// Differentiable convolution of sequences and its transpose: those of images of height 1 (autograd/conv.h).
#pragma once

#include <cstdint>

#include "autograd/same_padding.h"
#include "tensor/tensor.h"

namespace hop {

struct Conv1dOptions {
  std::int64_t stride = 1;
  std::int64_t padding = 0;   ///< zeros added on both sides
  std::int64_t dilation = 1;  ///< distance between the kernel's taps
  std::int64_t groups = 1;    ///< input and output channels are divided into this many independent convolutions
};

/// torch.nn.functional.conv1d: x (N, C, L), weight (K, C / groups, R), bias (K) or undefined -> (N, K, M) with M = (L +
/// 2 padding - dilation (R - 1) - 1) / stride + 1, rounded down. Or (C, L) -> (K, M). Floating, equal dtypes. Layout
/// and errors as of conv2d().
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Conv1dOptions& options = {});
/// padding="same": M = L. Throws ShapeError for a stride or a padding in `options`. (padding="valid" is none.)
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, SamePadding padding,
              const Conv1dOptions& options = {});

struct ConvTranspose1dOptions {
  std::int64_t stride = 1;
  std::int64_t padding = 0;         ///< cut from both sides of the result
  std::int64_t output_padding = 0;  ///< more at the end; below the stride or below the dilation
  std::int64_t groups = 1;
  std::int64_t dilation = 1;
};

/// torch.nn.functional.conv_transpose1d, the gradient of conv1d() with respect to its input, as an operation: x (N, C,
/// L), weight (C, K / groups, R), bias (K) or undefined -> (N, K, M) with M = (L - 1) stride - 2 padding + dilation (R
/// - 1) + output_padding + 1. Or (C, L) -> (K, M). Layout and errors as of conv_transpose2d().
Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTranspose1dOptions& options = {});

}  // namespace hop
