// Strided copies on the CPU.
#pragma once

#include "tensor/scalar.h"
#include "tensor/tensor.h"

namespace hop::kernels::cpu {

/// y <- x, broadcast to y's shape and converted. The two share no bytes.
void copy(const Tensor& y, const Tensor& x);
/// y <- value.
void fill(const Tensor& y, Scalar value);

}  // namespace hop::kernels::cpu
