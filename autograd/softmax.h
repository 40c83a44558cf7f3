// Differentiable softmax along one dimension.
#pragma once

#include <optional>

#include "tensor/tensor.h"

namespace hop {

/// y_i = exp(x_i) / sum_j exp(x_j) along `dim`, computed without overflow. x of any shape, floating; the result has the
/// same shape. x () gives 1. With `dtype`, x is converted first. Throws IndexError for a dimension out of range,
/// DtypeError.
Tensor softmax(const Tensor& x, std::int64_t dim = -1, std::optional<DType> dtype = std::nullopt);
/// The logarithm of softmax, in one pass. Shapes and errors as in softmax().
Tensor log_softmax(const Tensor& x, std::int64_t dim = -1, std::optional<DType> dtype = std::nullopt);

}  // namespace hop
