// Reading at positions that a tensor of indices (i64; PyTorch takes i32 in embedding, too) names. Gradients are added
// in a fixed order: same bits every time.
#pragma once

#include "tensor/tensor.h"

namespace hop {

/// y[i][j][k] = x[i][index[i][j][k]][k] for dim = 1, and so on: torch.gather.
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index);
/// The slices of `x` along `dim` that the 1-d `index` names.
Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index);
/// Rows of weight (V, D) for indices (...) -> (..., D).
Tensor embedding(const Tensor& weight, const Tensor& indices);

}  // namespace hop
