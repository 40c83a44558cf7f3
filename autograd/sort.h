// Sorting and choosing by rank, along one dimension; negative `dim`s count from the back. NaN counts as the largest
// value. Of equal values the first comes first (PyTorch leaves that open unless stable=True). x of any dtype. The
// values have gradients. All throw IndexError for a dimension out of range.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace hop {

/// The values in their new order, and the positions from which they came (i64).
struct Sorted {
  Tensor values{}, indices{};
};

/// torch.sort(stable=True): values and indices have x's shape.
Sorted sort(const Tensor& x, std::int64_t dim = -1, bool descending = false);
/// torch.argsort: the indices of sort().
Tensor argsort(const Tensor& x, std::int64_t dim = -1, bool descending = false);
/// torch.topk: the k largest (or smallest) values along `dim`, in descending (ascending) order: (A, B) -> (A, k). Sorts
/// whole lines. Throws ShapeError unless 0 <= k <= the size of `dim`.
Sorted topk(const Tensor& x, std::int64_t k, std::int64_t dim = -1, bool largest = true);
/// torch.kthvalue: the k-th smallest value along `dim`, from k = 1, and its position; `dim` disappears, or stays with
/// size 1 if `keepdim`. Throws ShapeError unless 1 <= k <= the size of `dim`.
Sorted kthvalue(const Tensor& x, std::int64_t k, std::int64_t dim = -1, bool keepdim = false);
/// torch.median along a dimension: the middle value, of an even number the lower one, and its position. NaN if there is
/// one, with the position of the first. Throws ShapeError for no values.
Sorted median(const Tensor& x, std::int64_t dim, bool keepdim = false);
/// The median of all values, of shape ().
Tensor median(const Tensor& x);

}  // namespace hop
