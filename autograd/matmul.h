// Differentiable matrix products; shapes and errors as in kernels/matmul.h.
#pragma once

#include "tensor/tensor.h"

namespace hop {

/// torch.matmul, with broadcast leading dimensions.
Tensor matmul(const Tensor& a, const Tensor& b);
/// x (..., in) * weight (out, in)^T + bias (out); `bias` may be left out.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});
/// relu(linear(x, weight, bias)), with the same bits on the CPU. On a GPU it saves launches, most of a small layer's
/// time: relu leaves a bit per value, and the product behind it (the next layer's gradient of its input) lets pass what
/// these say.
Tensor linear_relu(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

}  // namespace hop
