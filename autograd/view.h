// Other shapes of the same elements. All but reshape, flatten and contiguous always give views: no element is moved.
#pragma once

#include <limits>

#include "tensor/tensor.h"

namespace hop {

/// One size may be -1: inferred. A view where the strides allow it, else a copy. Throws ShapeError.
Tensor reshape(const Tensor& x, const Shape& shape);
/// Joins dimensions start_dim..end_dim into one.
Tensor flatten(const Tensor& x, std::int64_t start_dim = 0, std::int64_t end_dim = -1);
Tensor transpose(const Tensor& x, std::int64_t dim0, std::int64_t dim1);
/// Dimension i of the result is dimension dims[i] of `x`.
Tensor permute(const Tensor& x, const Dims& dims);
/// x[start:end:step] along `dim`: negative positions count from the back, positions outside are clamped, step > 0.
Tensor slice(const Tensor& x, std::int64_t dim, std::int64_t start,
             std::int64_t end = std::numeric_limits<std::int64_t>::max(), std::int64_t step = 1);
/// x[index] along `dim`, which disappears. Throws IndexError.
Tensor select(const Tensor& x, std::int64_t dim, std::int64_t index);
/// Removes a dimension of size 1; one of another size stays.
Tensor squeeze(const Tensor& x, std::int64_t dim);
Tensor unsqueeze(const Tensor& x, std::int64_t dim);
/// Repeats dimensions of size 1 without a copy and adds leading ones; -1 keeps a size.
Tensor expand(const Tensor& x, const Shape& shape);
/// `x` itself when it is row-major without gaps, else a copy that is.
Tensor contiguous(const Tensor& x);

}  // namespace hop
