// 2-d pooling over (N, C, H, W). On the CPU, an image with channels last keeps its layout.
#pragma once

#include <array>
#include <optional>

#include "tensor/tensor.h"

namespace hop {

struct Pool2dOptions {
  std::array<std::int64_t, 2> kernel = {2, 2};
  std::array<std::int64_t, 2> stride = {0, 0};  ///< 0: equal to the kernel
  /// At most half of what the kernel spans. (PyTorch: at most half the kernel.)
  std::array<std::int64_t, 2> padding = {0, 0};
  /// The distance between the values of a window, for maxima: a kernel spans dilation (kernel - 1) + 1 values.
  std::array<std::int64_t, 2> dilation = {1, 1};
  /// P and Q are rounded up: the last windows may reach beyond the padding, and begin in the image or the padding
  /// before it.
  bool ceil_mode = false;
  bool count_include_pad = true;                      ///< for averages: values of the padding count, as zeros
  std::optional<std::int64_t> divisor_override = {};  ///< for averages: what sums are divided by, not 0
};

namespace kernels {

/// What the errors of all pooling operations and layers say that they expected: of a maximum with options of averages,
/// of an average with a dilation, and of an average with a divisor of 0.
inline constexpr const char* kNoOptionsOfAverages =
    "neither count_include_pad nor divisor_override, which belong to averages";
inline constexpr const char* kNoDilation = "a dilation of 1, because only maxima have another";
inline constexpr const char* kDivisorOtherThanZero = "a divisor_override other than 0, got 0";

struct MaxPool2dResult {
  Tensor y{};        ///< (N, C, P, Q)
  Tensor indices{};  ///< i64 (N, C, P, Q): h * W + w of the first maximum in each window
};

/// The shape rule: (N, C, H, W) -> (N, C, P, Q), P = (H + 2 padding - dilation (kernel - 1) - 1) / stride + 1, rounded
/// down, or up in ceil_mode. Throws ShapeError, whose message names `op`, for a window that does not fit, or that steps
/// over the whole image, and for planes or windows of 2^31 values.
Shape pool2d_shape(const Shape& x, const Pool2dOptions& options, const char* op);

/// x floating. NaN wins. Throws ShapeError for options of averages.
MaxPool2dResult max_pool2d(const Tensor& x, const Pool2dOptions& options);
/// Adds g (N, C, P, Q) at `indices` into zeros of x_shape. `windows`: the pooling that the indices come from, if any.
/// With it, a GPU lets each value of x gather from its windows and ignores an index outside its window.
Tensor max_pool2d_grad(const Tensor& g, const Tensor& indices, const Shape& x_shape,
                       const Pool2dOptions* windows = nullptr);
/// The gradient of max_pool2d_grad: reads gg (x_shape) at `indices`.
Tensor max_pool2d_gather(const Tensor& gg, const Tensor& indices);
/// Mean over each window; padded zeros count unless count_include_pad is false. What a window has beyond the padding
/// never counts. Throws ShapeError for a dilation and for a divisor of 0.
Tensor avg_pool2d(const Tensor& x, const Pool2dOptions& options);
Tensor avg_pool2d_grad(const Tensor& g, const Shape& x_shape, const Pool2dOptions& options);

}  // namespace kernels
}  // namespace hop
