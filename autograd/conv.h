// Differentiable 2-d convolution, transposed convolution, and the windows of an image as columns.
#pragma once

#include <array>

#include "autograd/same_padding.h"
#include "kernels/conv.h"
#include "tensor/tensor.h"

namespace hop {

/// x (N, C, H, W), weight (K, C / groups, R, S), bias (K) or undefined -> (N, K, P, Q) with
/// P = (H + 2 padding - dilation (R - 1) - 1) / stride + 1, rounded down; Q likewise for columns. Or (C, H, W) -> (K,
/// P, Q). Floating, equal dtypes. On the CPU an f32 result of more than 4 channels has channels last, and an f64 result
/// if x has it (memory_format.h): call contiguous(y) before you read raw data. Throws ShapeError, DtypeError.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Conv2dOptions& options = {});
/// padding="same": P = H and Q = W. Throws ShapeError for a stride or a padding in `options`. (padding="valid" is
/// none.)
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, SamePadding padding,
              const Conv2dOptions& options = {});

/// Pairs are (rows, columns).
struct ConvTranspose2dOptions {
  std::array<std::int64_t, 2> stride = {1, 1};
  std::array<std::int64_t, 2> padding = {0, 0};  ///< rows and columns cut from every side of the result
  /// Rows and columns more below and on the right: below the stride or below the dilation.
  std::array<std::int64_t, 2> output_padding = {0, 0};
  std::int64_t groups = 1;
  std::array<std::int64_t, 2> dilation = {1, 1};
};

/// The gradient of conv2d() with respect to its input, as an operation: x (N, C, H, W), weight (C, K / groups, R, S),
/// bias (K) or undefined -> (N, K, P, Q) with P = (H - 1) stride - 2 padding + dilation (R - 1) + output_padding + 1; Q
/// likewise for columns. Or (C, H, W) -> (K, P, Q). torch.nn.functional.conv_transpose2d. Layouts as of conv2d().
/// Throws ShapeError, DtypeError.
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTranspose2dOptions& options = {});

/// Pairs are (rows, columns).
struct WindowOptions {
  std::array<std::int64_t, 2> kernel = {2, 2};
  std::array<std::int64_t, 2> stride = {1, 1};
  std::array<std::int64_t, 2> padding = {0, 0};  ///< zeros added on every side
  std::array<std::int64_t, 2> dilation = {1, 1};
};

/// torch.nn.functional.unfold: the windows of an image as columns, x (N, C, H, W) -> (N, C R S, L) for kernels (R, S)
/// and the L = P Q windows that conv2d() would see, row by row. Cost: one gather. Any dtype. Throws ShapeError.
Tensor unfold(const Tensor& x, const WindowOptions& options);
/// torch.nn.functional.fold: the sum of the columns (N, C R S, L) where their windows overlap -> (N, C, H, W) for
/// `output_size` (H, W): the gradient of unfold(). Floating. Throws ShapeError, DtypeError.
Tensor fold(const Tensor& columns, const std::array<std::int64_t, 2>& output_size, const WindowOptions& options);

}  // namespace hop
