// Differentiable dropout (Srivastava et al. 2014).
#pragma once

#include "tensor/random.h"
#include "tensor/tensor.h"

namespace hop {

/// Zeroes each element with probability p and scales the others by 1 / (1 - p). Which ones is a function of (address,
/// position) alone, so the backward pass computes the mask again and stores none. Not training, or p == 0: `x` itself.
/// Throws ConfigError unless 0 <= p <= 1; with p = 1 all is 0.
Tensor dropout(const Tensor& x, double p, RandomAddress address, bool training = true);

}  // namespace hop
