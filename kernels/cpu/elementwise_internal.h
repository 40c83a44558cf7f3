// The elementwise table on the CPU.
#pragma once

#include <span>

#include "kernels/elementwise.h"

namespace hop::kernels::cpu {

/// Computes the call in `compute` into `out`: contiguous, of at least one element, the broadcast shape of the inputs.
void elementwise(const detail::Call& call, DType compute, const Tensor& out, std::span<const Input> inputs);

}  // namespace hop::kernels::cpu
