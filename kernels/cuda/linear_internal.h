// The products of a linear layer's gradient (linear.cpp), by cuBLASLt or by its stand-in in tests without a card.
#pragma once

#include "kernels/cuda/matmul_internal.h"

namespace hop::kernels::cuda {

/// LinearOperations::linear_parameter_grads by `multiply`. If `multiply` returns false, does nothing and returns false.
[[nodiscard]] bool parameter_grads_with(const Multiply& multiply, const Tensor& g, const Tensor& x,
                                        const Tensor& dweight, const Tensor& dbias);
/// LinearOperations::linear_input_grad by `multiply`, or in two steps if `multiply` returns false.
void input_grad_with(const Multiply& multiply, const Tensor& g, const Tensor& weight, const Tensor& mask,
                     const Tensor& dx);

}  // namespace hop::kernels::cuda
