// 2-d convolution (cross-correlation) and its two gradients. The three are closed under differentiation: the gradient
// of each consists of the other two. f32 runs through cached oneDNN primitives, f64 in our own loops. The bits are a
// function of values, shapes, options and (f32) the number of threads, not of layout or addresses. On the CPU, results
// in f32 with more than 4 channels are dense with channels last (strides NHWC, shape NCHW): convolutions read and write
// this layout without conversion, and the operations after them keep it. f64 computes on planes: its images lie as the
// operand does, at the cost of two conversions if that has channels last.
#pragma once

#include <array>

#include "tensor/tensor.h"

namespace hop {

/// Pairs are (rows, columns).
struct Conv2dOptions {
  std::array<std::int64_t, 2> stride = {1, 1};
  std::array<std::int64_t, 2> padding = {0, 0};   ///< zeros added on every side
  std::array<std::int64_t, 2> dilation = {1, 1};  ///< distance between the kernel's taps
  std::int64_t groups = 1;  ///< input and output channels are divided into this many independent convolutions
};

namespace kernels {

/// The shape rule: x (N, C, H, W), weight (K, C / groups, R, S) -> (N, K, P, Q) with P = (H + 2 padding - dilation (R -
/// 1) - 1) / stride + 1, rounded down; Q likewise for columns. Throws ShapeError.
Shape conv2d_shape(const Shape& x, const Shape& weight, const Conv2dOptions& options);

/// x (N, C, H, W), weight (K, C / groups, R, S), bias (K) or undefined -> (N, K, P, Q). 2 N K P Q (C / groups) R S
/// FLOPs; each gradient takes as many. Throws ShapeError, DtypeError.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options);
/// The gradient with respect to x (shape `x_shape`), given g (N, K, P, Q).
Tensor conv2d_input_grad(const Tensor& g, const Tensor& weight, const Shape& x_shape, const Conv2dOptions& options);
/// The gradient with respect to weight (shape `weight_shape`). The gradient of the bias is the sum of g over (N, P, Q).
/// If `out` (contiguous) is given, it receives the result.
Tensor conv2d_weight_grad(const Tensor& g, const Tensor& x, const Shape& weight_shape, const Conv2dOptions& options,
                          const Tensor& out = {});

}  // namespace kernels
}  // namespace hop
