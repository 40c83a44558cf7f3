// Differentiable reductions. x has any shape. `dims` names the dimensions to reduce, as a number or a list; empty means
// all of them. A reduced dimension disappears from the result's shape, or stays with size 1 if `keepdim`. The bits
// depend on values and shape alone (kernels/reduce.h). All throw IndexError for a dimension out of range or named
// twice.
#pragma once

#include <concepts>
#include <cstdint>

#include "autograd/sort.h"  // Sorted
#include "tensor/scalar.h"
#include "tensor/tensor.h"

namespace hop {

/// The sum. Integers and bools sum in i64. A sum over no values is 0. With `dtype`, x is converted first.
Tensor sum(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
Tensor sum(const Tensor& x, const Dims& dims, bool keepdim, DType dtype);
/// x (any shape to which `shape` broadcasts) -> `shape`: sums over the dimensions that broadcasting added or repeated.
/// The gradient of expand(). Throws ShapeError if `shape` does not broadcast to x's shape.
Tensor sum_to(const Tensor& x, const Shape& shape);
/// The mean, in x's dtype; NaN over no values. With `dtype`, x is converted first. Throws DtypeError unless x, or
/// `dtype`, is floating.
Tensor mean(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
Tensor mean(const Tensor& x, const Dims& dims, bool keepdim, DType dtype);
/// torch.amax, in x's dtype: the maximum, where NaN wins. Elements that tie share the gradient evenly. Throws
/// ShapeError for a maximum of no values.
Tensor max(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// torch.amin: the minimum, otherwise as max().
Tensor min(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// torch.max and torch.min along one dimension: the values, and the indices (i64) of the first maximum or minimum. All
/// of a gradient goes to that element. Called for a plain number, max(x, 1), as in PyTorch; for a list, max(x, {1}),
/// the functions above. Throws ShapeError for no values.
Sorted max_with_indices(const Tensor& x, std::int64_t dim, bool keepdim = false);
Sorted min_with_indices(const Tensor& x, std::int64_t dim, bool keepdim = false);
template <std::integral I>
requires(!std::same_as<I, bool>) Sorted max(const Tensor& x, I dim, bool keepdim = false) {
  return max_with_indices(x, static_cast<std::int64_t>(dim), keepdim);
}
template <std::integral I>
requires(!std::same_as<I, bool>) Sorted min(const Tensor& x, I dim, bool keepdim = false) {
  return min_with_indices(x, static_cast<std::int64_t>(dim), keepdim);
}
/// torch.var: the sum of squared deviations from the mean, divided by max(0, n - correction) for n values. Throws
/// DtypeError unless x is floating.
Tensor var(const Tensor& x, const Dims& dims = {}, Scalar correction = 1, bool keepdim = false);

/// The index (i64, no gradient) of the first maximum along `dim`; without `dim`, in the flattened tensor. A NaN counts
/// as the maximum. Throws ShapeError for a maximum of no values.
Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim = false);
Tensor argmax(const Tensor& x);

}  // namespace hop
