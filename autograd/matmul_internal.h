// Products of bf16 and f16 that stay f32: of an operation that goes on with them and rounds once, at its end.
#pragma once

#include "tensor/tensor.h"

namespace hop::autograd {

/// alpha a b in f32, for a (.., m, k) and b (.., k, n) of one dtype of 16 bits; leading dimensions broadcast. It is
/// multiplied as matmul() does it: in the mode in which factors of 16 bits are exact. So the gradient that comes back
/// must be one of 16 bits, too, as it is behind rounded_like(); alpha scales the gradients behind their products.
Tensor wide_product(const Tensor& a, const Tensor& b, double alpha = 1);

}  // namespace hop::autograd
