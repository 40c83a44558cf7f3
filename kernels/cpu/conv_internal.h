// Convolution on the CPU: what kernels/conv.cpp asks for. Operands are checked, of one floating dtype, and nothing is
// empty.
#pragma once

#include "kernels/conv.h"

namespace hop::kernels::cpu {

/// The sizes of one convolution, x (n, c, h, w) with weight (k, c / groups, r, s) -> y (n, k, p, q).
struct ConvSizes {
  std::int64_t n, c, h, w, k, r, s, p, q;
  Conv2dOptions options;
};
ConvSizes conv_sizes(const Shape& x, const Shape& weight, const Shape& y, const Conv2dOptions& options);

enum class ConvPass { forward, input_grad, weight_grad };

/// Computes the third of (x, weight, y) from the other two, all contiguous unless said otherwise:
/// forward writes y (and adds bias where defined), input_grad writes x, weight_grad writes weight.
/// f64: the definition, in plain loops. The reference for the other.
void conv2d_in_loops(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& bias,
                     const Tensor& y);
/// f32: cached oneDNN primitives. What is read may also be dense with channels last.
void conv2d_with_onednn(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight,
                        const Tensor& bias, const Tensor& y);

/// Whether x (N, C, H, W) is dense with the channels innermost.
bool is_channels_last(const Tensor& x);

}  // namespace hop::kernels::cpu
