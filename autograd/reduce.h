// Differentiable reductions; values, dtypes and errors as in kernels/reduce.h. `dims` empty: all dimensions.
#pragma once

#include "tensor/tensor.h"

namespace hop {

Tensor sum(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// Sums over the dimensions that broadcasting from `shape` added or repeated: the gradient of expand().
Tensor sum_to(const Tensor& x, const Shape& shape);
Tensor mean(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// torch.amax: elements that tie for the maximum share its gradient evenly.
Tensor max(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// torch.amin: elements that tie for the minimum share its gradient evenly.
Tensor min(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// torch.var: squared deviations from the mean, summed and divided by n - correction.
Tensor var(const Tensor& x, const Dims& dims = {}, std::int64_t correction = 1, bool keepdim = false);

/// Index (i64, no gradient) of the first maximum along `dim`; without it, over the flattened tensor.
Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim = false);
Tensor argmax(const Tensor& x);

}  // namespace hop
