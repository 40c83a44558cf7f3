// 2-d convolution (cross-correlation) and its two gradients. The three are closed under differentiation: the gradient
// of each is made of the other two. f32 through cached oneDNN primitives, f64 in loops of ours. The
// bits are a function of values, shapes, options and (f32) the number of threads; not of layout or addresses. Images of
// more than 4 channels come, in f32 on the CPU, dense with channels last (strides NHWC, shape NCHW): reading and
// writing that costs no conversion, and what follows keeps it.
#pragma once

#include <array>

#include "tensor/tensor.h"

namespace hop {

/// Pairs are (rows, columns).
struct Conv2dOptions {
  std::array<std::int64_t, 2> stride = {1, 1};
  std::array<std::int64_t, 2> padding = {0, 0};   ///< zeros added on every side
  std::array<std::int64_t, 2> dilation = {1, 1};  ///< distance between the kernel's taps
  std::int64_t groups = 1;  ///< input and output channels are cut into so many independent convolutions
};

namespace kernels {

/// The shape rule: x (N, C, H, W), weight (K, C / groups, R, S) -> (N, K, P, Q) with
/// P = (H + 2 padding - dilation (R - 1) - 1) / stride + 1, rounded down, and so Q. Throws ShapeError.
Shape conv2d_shape(const Shape& x, const Shape& weight, const Conv2dOptions& options);

/// x (N, C, H, W), weight (K, C / groups, R, S), bias (K) or undefined -> (N, K, P, Q).
/// 2 N K P Q (C / groups) R S FLOPs, as both gradients. Throws ShapeError, DtypeError.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options);
/// The gradient with respect to x (shape `x_shape`), given g (N, K, P, Q).
Tensor conv2d_input_grad(const Tensor& g, const Tensor& weight, const Shape& x_shape, const Conv2dOptions& options);
/// The gradient with respect to weight (shape `weight_shape`). The gradient of the bias is the sum of g over (N, P, Q).
/// `out`, where given, takes the result: contiguous.
Tensor conv2d_weight_grad(const Tensor& g, const Tensor& x, const Shape& weight_shape, const Conv2dOptions& options,
                          const Tensor& out = {});

}  // namespace kernels
}  // namespace hop
