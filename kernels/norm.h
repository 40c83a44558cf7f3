// Normalisation, forward and backward in fused passes.
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

/// x (..., D) normalised over the last dimensions that `weight` covers; weight, bias of that shape, or both undefined.
NormResult layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps);
NormGrads layer_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean, const Tensor& rstd);

/// x (N, C, H, W) or (N, C), statistics of this batch over all but C. weight, bias (C) or undefined.
NormResult batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps);
NormGrads batch_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean, const Tensor& rstd);

/// Per channel: y = (x - mean) * rstd * weight + bias with given statistics (evaluation).
Tensor batch_norm_apply(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean, const Tensor& rstd);

}  // namespace hop::kernels
