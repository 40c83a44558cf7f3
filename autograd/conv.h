// Differentiable 2-d convolution.
#pragma once

#include "kernels/conv.h"
#include "tensor/tensor.h"

namespace hop {

/// x (N, C, H, W), weight (K, C / groups, R, S), bias (K) or undefined -> (N, K, P, Q) with
/// P = (H + 2 padding - dilation (R - 1) - 1) / stride + 1, rounded down; Q likewise for columns. Floating, equal
/// dtypes. On the CPU an f32 result of more than 4 channels has channels last (kernels/conv.h): call contiguous(y)
/// before you read raw data. Throws ShapeError, DtypeError.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Conv2dOptions& options = {});

}  // namespace hop
