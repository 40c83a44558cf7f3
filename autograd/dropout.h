// Differentiable dropout (Srivastava et al. 2014).
#pragma once

#include "tensor/random.h"
#include "tensor/tensor.h"

namespace hop {

/// Zeroes each element of x (any shape, floating) with probability p and scales the others by 1 / (1 - p). The choice
/// is a function of (address, position) alone, so the backward pass computes the mask again and none is stored. Returns
/// `x` itself if not training or if p == 0. p == 1 gives zeros. Throws ConfigError unless 0 <= p <= 1, DtypeError.
Tensor dropout(const Tensor& x, double p, RandomAddress address, bool training = true);

}  // namespace hop
