// Differentiable group normalisation.
#pragma once

#include "tensor/tensor.h"

namespace hop {

/// Cuts the channels of x (N, C, ..) into `num_groups` groups of neighbours, normalises each group of each sample by
/// its own mean and variance (Wu & He 2018), then scales and shifts by weight and bias (C). Undefined weight and bias
/// count as 1 and 0. Result in x's shape, with channels last as x on the CPU, else contiguous; dtypes as in
/// layer_norm(). torch.nn.functional.group_norm; unlike it, a group of one value is no error (it becomes bias). Throws
/// ShapeError (also if num_groups does not divide C), DtypeError; ConfigError unless eps is finite and at least 0.
Tensor group_norm(const Tensor& x, std::int64_t num_groups, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

}  // namespace hop
