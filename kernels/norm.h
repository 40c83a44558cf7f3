// Normalisation, forward and backward in fused passes. Statistics take two passes, so that a large mean costs no
// digits, and sum in the fixed tree of reductions: bits depend on values and shapes alone. About four reads and one
// write of x.
#pragma once

#include "tensor/tensor.h"

namespace hop {

/// The end of a fused batch_norm: y = relu(normalised + residual) in one pass over memory, with the bits of the three
/// separate operations.
struct BatchNormTail {
  Tensor residual = {};  ///< of x's shape; undefined: none
  bool relu = false;
};

namespace kernels {

struct NormResult {
  Tensor y{};
  Tensor mean{};    ///< per row (layer_norm) or per channel (batch_norm)
  Tensor rstd{};    ///< 1 / sqrt(var + eps) with the biased variance; shaped as mean
  Tensor var = {};  ///< biased variance, of batch_norm alone: for the running statistics
};
struct NormGrads {
  Tensor dx{};
  Tensor dweight{};
  Tensor dbias{};
  Tensor dresidual = {};  ///< batch_norm with relu(normalised + residual)
};

/// Layer normalisation (Ba, Kiros & Hinton 2016): y = (x - mean) * rstd * weight + bias over the last dimensions of x,
/// which are the dimensions of `weight`. An undefined weight counts as 1 over the last dimension, an undefined bias as
/// 0; a defined bias has weight's shape. f32 or f64, equal dtypes; or operands of bf16, f16 and f32, then y has x's
/// dtype and statistics are f32. Throws ShapeError, DtypeError; ConfigError unless eps is finite and at least 0.
NormResult layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps);
/// dx in x's dtype, dweight and dbias in weight's; these are undefined where weight is.
NormGrads layer_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd);

/// Batch normalisation (Ioffe & Szegedy 2015) of x (N, C, ..), with the statistics of this batch over all dimensions
/// but C. weight, bias (C) or undefined. Throws as layer_norm(), and ShapeError for an x without values.
NormResult batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                      const BatchNormTail& tail = {});

/// The facts about a tail that the gradient needs. A tail without relu needs none: a residual's gradient is g.
struct BatchNormTailGrad {
  bool relu = false;
  Tensor bias = {};  ///< batch_norm's, for a tail with relu but without residual: relu's input is computed again from x
  Tensor y = {};     ///< relu(normalised + residual), for a tail with relu and residual; the result then has dresidual
  /// The caller reads g no more: dresidual, or dx if there is no residual, may overwrite g. Allowed with any tail.
  bool overwrite = false;
};
/// Dtypes as in layer_norm_grad(). dweight and dbias are undefined where weight is. Throws ShapeError, and ConfigError
/// for y without relu.
NormGrads batch_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd, const BatchNormTailGrad& tail = {});

/// Per channel: y = (x - mean) * rstd * weight + bias with given statistics (evaluation), all (C).
Tensor batch_norm_apply(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                        const Tensor& rstd);

}  // namespace kernels
}  // namespace hop
