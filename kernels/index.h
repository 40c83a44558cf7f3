// Reading and adding at positions that an index tensor names. Indices are i64. A negative or too large index is an
// IndexError. `op`, a literal, names the call in errors: an operation that is made of these passes its own name.
#pragma once

#include "tensor/tensor.h"

namespace hop::kernels {

/// y[i][j][k] = x[i][index[i][j][k]][k] for dim = 1, and so on: torch.gather. index.shape <= x.shape outside `dim`.
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index, const char* op = "gather");
/// The gradient of gather: zeros of `shape` plus g added at the positions, in row-major order of g (a fixed order: same
/// bits). A one-dimensional result sums as index_add does. Otherwise each addition is rounded in g's dtype, as in
/// PyTorch: the sum of 2e7 ones in f32 is 2^24.
Tensor scatter_add(const Shape& shape, std::int64_t dim, const Tensor& index, const Tensor& g,
                   const char* op = "scatter_add");
/// Rows (slices along `dim`) named by the 1-d `index`.
Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index, const char* op = "index_select");
/// The gradient of index_select and embedding: zeros of `shape` plus the slices of g, added in order, in f64 and
/// rounded once. (PyTorch rounds each addition in f32.)
Tensor index_add(const Shape& shape, std::int64_t dim, const Tensor& index, const Tensor& g,
                 const char* op = "index_add");

}  // namespace hop::kernels
