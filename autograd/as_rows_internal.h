// A tensor as the rows of a matrix, for the gradients of products.
#pragma once

#include "autograd/view.h"

namespace hop::autograd {

/// (..., n) as (rows, n), also where n is 0: then -1 would not say how many rows there are.
inline Tensor as_rows(const Tensor& x) { return x.dim() < 2 ? reshape(x, {1, x.numel()}) : flatten(x, 0, x.dim() - 2); }

}  // namespace hop::autograd
