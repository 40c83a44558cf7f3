// Matrix products: f32 through cached oneDNN primitives, f64 and small products in loops of our own. Transposed views
// are read in place; a view with gaps between its rows is copied first. The bits are a function of the values, the
// shapes, which operands are transposed views, and, in oneDNN, the number of threads; never of addresses.
#pragma once

#include "tensor/tensor.h"

namespace hop::kernels {

/// The shape rule of matmul. Throws ShapeError.
Shape matmul_shape(const Shape& a, const Shape& b);

/// torch.matmul: (n) x (n) -> (), (m, k) x (k) -> (m), (k) x (k, n) -> (n), (..., m, k) x (..., k, n) -> (..., m, n)
/// with broadcast leading dimensions. f32 or f64, equal dtypes. `out`, where given, takes the result:
/// contiguous, no operand. Throws ShapeError, DtypeError.
Tensor matmul(const Tensor& a, const Tensor& b, const Tensor& out = {});

/// x (..., in) * weight (out, in)^T + bias (out): torch.nn.functional.linear in one call. `bias` may be undefined.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);

}  // namespace hop::kernels
