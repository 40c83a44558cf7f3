// Orders along one dimension.
#pragma once

#include "tensor/tensor.h"

namespace hop::kernels {

/// The order of x along `dim`: i64 of x's shape; gather(x, dim, order) is sorted. Equal values keep their order. NaN
/// counts as the largest value, also when descending. x of any dtype. Cost: n log n comparisons, on all threads if
/// there are many lines; on a GPU a few passes over a line for each byte of a value, and lines are shorter than 2^30
/// (ShapeError). The order is the same on every device. Throws IndexError for a dimension out of range.
Tensor argsort(const Tensor& x, std::int64_t dim, bool descending);

}  // namespace hop::kernels
