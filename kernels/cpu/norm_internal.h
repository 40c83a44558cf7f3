// Normalisation on the CPU: what kernels/norm.cpp asks for. Operands are checked; x has elements; weight, bias may be
// undefined.
#pragma once

#include "kernels/norm.h"

namespace hop::kernels::cpu {

/// Over rows of `size` elements; mean and rstd get `rows_shape`.
NormResult layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const Shape& rows_shape);
NormGrads layer_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd);

NormResult batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps);
NormGrads batch_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd);
Tensor batch_norm_apply(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                        const Tensor& rstd);

}  // namespace hop::kernels::cpu
