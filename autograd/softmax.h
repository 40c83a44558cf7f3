// Differentiable softmax along one dimension.
#pragma once

#include "tensor/tensor.h"

namespace hop {

/// y_i = exp(x_i) / sum_j exp(x_j), computed without overflow. A number, x (), gives 1; no values give none.
Tensor softmax(const Tensor& x, std::int64_t dim = -1);
/// The logarithm of softmax, in one pass.
Tensor log_softmax(const Tensor& x, std::int64_t dim = -1);

}  // namespace hop
