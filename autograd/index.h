// Reading and adding at positions that an index tensor names (i64; PyTorch also takes i32 in embedding). An x or an
// index of shape () counts as one of shape (1); the result has PyTorch's shape. Gradients are
// added in a fixed order: same bits every time. All throw DtypeError for another dtype of the index, ShapeError, and
// IndexError for an index out of range (on a GPU when the host next waits for it).
#pragma once

#include <cstdint>
#include <optional>

#include "tensor/tensor.h"

namespace hop {

/// torch.gather: y[i][j][k] = x[i][index[i][j][k]][k] for dim = 1, and so on. y has index's shape. Along dimensions
/// other than `dim`, index may not be larger than x.
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index);
/// The slices of `x` along `dim` that `index` (n) names: x (A, B, C) -> (A, n, C) for dim = 1.
Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index);
/// torch.scatter_add: y[index[i][j]][j] += values[i][j] for dim = 0, and so on, from y = x. `values`, of x's dtype, is
/// at least as large as index; its first elements count. Along dimensions other than `dim`, index may not be larger
/// than x. x is floating (DtypeError; PyTorch also adds integers).
Tensor scatter_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& values);
/// torch.index_add: the slices of x along `dim` that `index` (n) names, plus alpha times the slices of `values`: values
/// (A, n, C) for x (A, B, C) and dim = 1. x is floating, values of x's dtype (DtypeError).
Tensor index_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& values, double alpha = 1);
/// Rows of weight (V, D) for indices (...) -> (..., D). The row `padding_idx` gets no gradient; a negative one counts
/// from the end. torch.embedding; the embedding of torch.nn.functional takes the indices first. Throws ConfigError for
/// a padding_idx out of range.
Tensor embedding(const Tensor& weight, const Tensor& indices, std::optional<std::int64_t> padding_idx = {});

}  // namespace hop
