// Convolution on the CPU, by dtype.
#pragma once

#include "kernels/conv_operations.h"

namespace hop::kernels::cpu {

/// Computes one of x, weight and y from the other two, all contiguous unless said otherwise: forward writes y (and adds
/// bias if it is defined), input_grad writes x, weight_grad writes weight. f64, in our own products: the reference for
/// the f32 version.
void conv2d_by_products(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight,
                        const Tensor& bias, const Tensor& y);
/// f32: cached oneDNN primitives. Images may also be dense with channels last.
void conv2d_with_onednn(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight,
                        const Tensor& bias, const Tensor& y);

}  // namespace hop::kernels::cpu
