// Reading at positions that an index tensor names (i64; PyTorch also takes i32 in embedding). Gradients are added in a
// fixed order: same bits every time. All throw DtypeError for another dtype of the index, ShapeError, and IndexError
// for an index out of range (on a GPU when the host next waits for it).
#pragma once

#include "tensor/tensor.h"

namespace hop {

/// torch.gather: y[i][j][k] = x[i][index[i][j][k]][k] for dim = 1, and so on. y has index's shape. Along dimensions
/// other than `dim`, index may not be larger than x.
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index);
/// The slices of `x` along `dim` that `index` (n) names: x (A, B, C) -> (A, n, C) for dim = 1.
Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index);
/// Rows of weight (V, D) for indices (...) -> (..., D).
Tensor embedding(const Tensor& weight, const Tensor& indices);

}  // namespace hop
