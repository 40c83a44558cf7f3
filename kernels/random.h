// Random fills: element i of a tensor is a function of (address, i) alone; see tensor/random.h.
#pragma once

#include "tensor/random.h"
#include "tensor/tensor.h"

namespace hop::kernels {

/// y <- uniform in [low, high); all low if low = high. y is contiguous or has channels last,
/// which does not change its numbers, and is floating: f64 takes the same 24 bits, bf16
/// and f16 round the numbers of f32, and those that reach `high` become low. Bumps y's version. Throws ConfigError
/// unless low <= high, and both and their distance are finite in y's dtype.
void uniform_(const Tensor& y, double low, double high, RandomAddress address);
/// y <- normal (Box-Muller on the two words 2i, 2i + 1 of the address's stream; bf16 and f16 round the
/// numbers of f32). Bumps y's version. Throws ConfigError unless mean and std are finite, std >= 0.
void normal_(const Tensor& y, double mean, double std, RandomAddress address);
/// y = x * keep / (1 - p), where keep is 0 with probability p. 0 <= p <= 1; x float; p = 1 gives zeros. Its gradient is
/// dropout(g) with the same address, so no mask is stored.
Tensor dropout(const Tensor& x, double p, RandomAddress address);

}  // namespace hop::kernels
