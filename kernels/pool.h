// 2-d pooling over (N, C, H, W). On the CPU, an image with channels last keeps its layout.
#pragma once

#include <array>

#include "tensor/tensor.h"

namespace hop {

struct Pool2dOptions {
  std::array<std::int64_t, 2> kernel = {2, 2};
  std::array<std::int64_t, 2> stride = {0, 0};   ///< 0: equal to the kernel
  std::array<std::int64_t, 2> padding = {0, 0};  ///< at most half the kernel
};

namespace kernels {

struct MaxPool2dResult {
  Tensor y{};        ///< (N, C, P, Q)
  Tensor indices{};  ///< i64 (N, C, P, Q): h * W + w of the first maximum in each window
};

/// The shape rule: (N, C, H, W) -> (N, C, P, Q), P = (H + 2 padding - kernel) / stride + 1, rounded down. Throws
/// ShapeError, whose message names `op`, for a window that does not fit, and for planes or windows of 2^31 values.
Shape pool2d_shape(const Shape& x, const Pool2dOptions& options, const char* op);

/// x floating. NaN wins.
MaxPool2dResult max_pool2d(const Tensor& x, const Pool2dOptions& options);
/// Adds g (N, C, P, Q) at `indices` into zeros of x_shape. `windows`: the pooling that the indices come from, if any.
/// With it, a GPU lets each value of x gather from its windows and ignores an index outside its window.
Tensor max_pool2d_grad(const Tensor& g, const Tensor& indices, const Shape& x_shape,
                       const Pool2dOptions* windows = nullptr);
/// The gradient of max_pool2d_grad: reads gg (x_shape) at `indices`.
Tensor max_pool2d_gather(const Tensor& gg, const Tensor& indices);
/// Mean over each window; padded zeros count (count_include_pad, PyTorch's default).
Tensor avg_pool2d(const Tensor& x, const Pool2dOptions& options);
Tensor avg_pool2d_grad(const Tensor& g, const Shape& x_shape, const Pool2dOptions& options);

}  // namespace kernels
}  // namespace hop
