// Differentiable 2-d convolution.
#pragma once

#include "kernels/conv.h"
#include "tensor/tensor.h"

namespace hop {

/// x (N, C, H, W), weight (K, C / groups, R, S), bias (K) or undefined -> (N, K, P, Q). Throws ShapeError. On the CPU
/// an f32 result of more than 4 channels lies with channels last (kernels/conv.h): contiguous(y) where raw data is
/// read.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Conv2dOptions& options = {});

}  // namespace hop
