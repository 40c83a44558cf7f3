// Normalisation, forward and backward in fused passes. Statistics take two passes (a large mean costs no digits) and
// the fixed tree of reductions: bits depend on values and shapes alone. About four reads and one write of x.
#pragma once

#include "tensor/tensor.h"

namespace hop {

/// What batch_norm does to a normalised value before it writes it: y = relu(normalised + residual), with the bits of
/// the three operations one after the other, in one pass over memory.
struct BatchNormTail {
  Tensor residual = {};  ///< of x's shape; undefined: none
  bool relu = false;
};

namespace kernels {

struct NormResult {
  Tensor y{};
  Tensor mean{};    ///< per row (layer_norm) or per channel (batch_norm)
  Tensor rstd{};    ///< 1 / sqrt(var + eps), likewise; biased variance
  Tensor var = {};  ///< biased variance, of batch_norm alone: for the running statistics
};
struct NormGrads {
  Tensor dx{};
  Tensor dweight{};
  Tensor dbias{};
  Tensor dresidual = {};  ///< batch_norm with relu(normalised + residual)
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
NormResult batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                      const BatchNormTail& tail = {});

/// What the gradient has to know of a tail. Of one without relu: nothing, as a residual's gradient is g.
struct BatchNormTailGrad {
  bool relu = false;
  Tensor bias = {};  ///< with relu: batch_norm's; y is made from x again, as x is read anyway, unless it is given:
  Tensor y = {};     ///< relu(normalised + residual), where there was a residual; dresidual is then defined
  /// Nobody else reads g: dresidual, or dx where there is none, may take its place. With any tail.
  bool overwrite = false;
};
/// dweight and dbias are undefined where weight is. Throws ShapeError, and ConfigError for y without relu.
NormGrads batch_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd, const BatchNormTailGrad& tail = {});

/// Per channel: y = (x - mean) * rstd * weight + bias with given statistics (evaluation), all (C).
Tensor batch_norm_apply(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                        const Tensor& rstd);

}  // namespace kernels
}  // namespace hop
