// Differentiable matrix products; shapes and errors as in kernels/matmul.h.
#pragma once

#include "tensor/tensor.h"

namespace hop {

/// torch.matmul, with broadcast leading dimensions.
Tensor matmul(const Tensor& a, const Tensor& b);
/// x (..., in) * weight (out, in)^T + bias (out); `bias` may be left out.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

}  // namespace hop
