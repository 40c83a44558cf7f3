// Normalisation, forward and backward in fused passes. Statistics take two passes (a large mean costs no digits) and
// the fixed tree of reductions: bits depend on values and shapes alone. About four reads and one write of x.
#pragma once

#include "tensor/tensor.h"

namespace hop::kernels {

struct NormResult {
  Tensor y;
  Tensor mean;  ///< per row (layer_norm) or per channel (batch_norm)
  Tensor rstd;  ///< 1 / sqrt(var + eps), likewise; biased variance
};
struct NormGrads {
  Tensor dx;
  Tensor dweight;
  Tensor dbias;
};

/// Layer normalisation (Ba, Kiros & Hinton 2016): y = (x - mean) * rstd * weight + bias over the last dimensions of x,
/// those of `weight` (the last one where weight is undefined: 1). bias has its shape too, or is undefined: 0. f32 or
/// f64, equal dtypes. Throws ShapeError, DtypeError.
NormResult layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps);
/// dweight and dbias are undefined where weight is.
NormGrads layer_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd);

/// Batch normalisation (Ioffe & Szegedy 2015) of x (N, C, ..), with the statistics of this batch over all but C.
/// weight, bias (C) or undefined. Throws ShapeError, also for no values.
NormResult batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps);
/// dweight and dbias are undefined where weight is.
NormGrads batch_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd);

/// Per channel: y = (x - mean) * rstd * weight + bias with given statistics (evaluation), all (C).
Tensor batch_norm_apply(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                        const Tensor& rstd);

}  // namespace hop::kernels
