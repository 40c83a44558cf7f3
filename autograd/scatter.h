// Writing at positions that an index tensor names: x with other values in some places, as a new tensor. Differentiable
// in x and in the values. Index values lie in 0..n-1 (IndexError, on a GPU when the host next waits for it). If a place
// is named several times, the last value in row-major order counts and has all of the gradient (PyTorch: any of them).
// An x or an index of shape () counts as one of shape (1). To find the last one costs 2 log2(n) passes over an index of
// n values. All throw ShapeError, IndexError, and DtypeError for an index that is not i64 or values of another dtype
// than x's.
#pragma once

#include <cstdint>

#include "kernels/elementwise.h"
#include "tensor/tensor.h"

namespace hop {

/// torch.scatter: y[index[i][j]][j] = values[i][j] for dim = 0, and so on; else x. `values` is a number or a tensor at
/// least as large as index, whose first elements count. Along dimensions other than `dim`, index may not be larger than
/// x.
Tensor scatter(const Tensor& x, std::int64_t dim, const Tensor& index, kernels::Input values);
/// torch.index_copy: the slices of x along `dim` that `index` (n) names are those of `values`; else x.
Tensor index_copy(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& values);
/// torch.index_fill: the slices of x along `dim` that `index` (n) names are filled with a number, or with the value of
/// a tensor of shape (), which gets a gradient.
Tensor index_fill(const Tensor& x, std::int64_t dim, const Tensor& index, kernels::Input value);

}  // namespace hop
