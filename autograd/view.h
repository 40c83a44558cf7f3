// Other shapes of the same elements, differentiable. All but reshape, flatten and contiguous always give views: no
// element is moved, and the result shares the bytes of `x`. A negative `dim` counts from the back; all throw IndexError
// for a dimension out of range.
#pragma once

#include <limits>

#include "tensor/tensor.h"

namespace hop {

/// x -> `shape`, with the elements in the same order. One size may be -1: it is inferred. A view if the strides allow
/// one, otherwise a copy. Throws ShapeError if the numbers of elements differ.
Tensor reshape(const Tensor& x, const Shape& shape);
/// Joins dimensions start_dim..end_dim into one: (A, B, C, D) -> (A, B C, D) for 1 and 2. Throws IndexError if
/// start_dim lies behind end_dim.
Tensor flatten(const Tensor& x, std::int64_t start_dim = 0, std::int64_t end_dim = -1);
/// Swaps two dimensions: (A, B, C) -> (C, B, A) for 0 and 2.
Tensor transpose(const Tensor& x, std::int64_t dim0, std::int64_t dim1);
/// Dimension i of the result is dimension dims[i] of `x`. Throws ShapeError unless `dims` names every dimension once.
Tensor permute(const Tensor& x, const Dims& dims);
/// x[start:end:step] along `dim`. Negative positions count from the back; positions outside are clamped. Throws
/// IndexError unless step > 0, ShapeError for an x of shape ().
Tensor slice(const Tensor& x, std::int64_t dim, std::int64_t start,
             std::int64_t end = std::numeric_limits<std::int64_t>::max(), std::int64_t step = 1);
/// x[index] along `dim`, which disappears: (A, B, C) -> (A, C) for dim 1. A negative index counts from the back. Throws
/// IndexError for an index out of range, ShapeError for an x of shape ().
Tensor select(const Tensor& x, std::int64_t dim, std::int64_t index);
/// Removes those of `dims` whose size is 1: (A, 1, B) -> (A, B) for dim 1. A dimension of another size stays. Throws
/// IndexError for a dimension named twice.
Tensor squeeze(const Tensor& x, const Dims& dims);
/// Removes all dimensions of size 1: (1, A, 1) -> (A).
Tensor squeeze(const Tensor& x);
/// Inserts a dimension of size 1 at `dim`: (A, B) -> (A, 1, B) for dim 1.
Tensor unsqueeze(const Tensor& x, std::int64_t dim);
/// x -> `shape`: repeats dimensions of size 1 without a copy and adds leading dimensions. -1 keeps a size. Throws
/// ShapeError if x does not broadcast to `shape`.
Tensor expand(const Tensor& x, const Shape& shape);
/// `x` itself if it is row-major without gaps, otherwise a copy that is. For other layouts: memory_format.h.
Tensor contiguous(const Tensor& x);

}  // namespace hop
