// Group normalisation (Wu & He 2018): the C channels of x (N, C, ..) form groups of neighbours, and each group of each
// sample is normalised by its own mean and variance. Statistics take two passes, so that a large mean costs no digits,
// and sum in the fixed tree of reductions: bits depend on values and shapes alone.
#pragma once

#include "kernels/norm.h"

namespace hop::kernels {

/// y = (x - mean) * rstd * weight + bias, x (N, C, ..) with C a multiple of `groups`; weight and bias (C), undefined
/// they count as 1 and 0. The result's mean and rstd are (N, groups), var is undefined. Dtypes as in layer_norm(). An x
/// without samples gives a result without values. Throws ShapeError, DtypeError; ConfigError unless eps is finite and
/// at least 0.
NormResult group_norm(const Tensor& x, std::int64_t groups, const Tensor& weight, const Tensor& bias, double eps);
/// dweight and dbias are undefined where weight is.
NormGrads group_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd);

}  // namespace hop::kernels
