// Matrix products. f32 through oneDNN, f64 through Eigen; transposed views are read in place.
#pragma once

#include "tensor/tensor.h"

namespace hop::kernels {

/// The shape rule of matmul. Throws ShapeError.
Shape matmul_shape(const Shape& a, const Shape& b);

/// torch.matmul: (n) x (n) -> (), (m, k) x (k) -> (m), (k) x (k, n) -> (n), (..., m, k) x (..., k, n) -> (..., m, n) with
/// broadcast leading dimensions. f32 or f64, equal dtypes. Throws ShapeError, DtypeError.
Tensor matmul(const Tensor& a, const Tensor& b);

/// x (..., in) * weight (out, in)^T + bias (out): torch.nn.functional.linear in one call. `bias` may be undefined.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);

}  // namespace hop::kernels
