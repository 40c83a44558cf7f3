// Differentiable matrix products: equal floating dtypes. All throw ShapeError, DtypeError.
#pragma once

#include "tensor/tensor.h"

namespace hop {

/// torch.matmul: (n) x (n) -> (), (m, k) x (k) -> (m), (k) x (k, n) -> (n), (..., m, k) x (..., k, n) -> (..., m, n)
/// with broadcast leading dimensions.
Tensor matmul(const Tensor& a, const Tensor& b);
/// x (..., in) * weight (out, in)^T + bias (out) -> (..., out). `bias` may be omitted.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});
/// relu(linear(x, weight, bias)), with the same bits on the CPU. On a GPU it saves launches, which are most of a small
/// layer's time: relu keeps a bit per value, and the product behind it (the next layer's gradient of its input) masks
/// its result by these bits.
Tensor linear_relu(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

}  // namespace hop
