// The elementwise table on the CPU.
#pragma once

#include <span>

#include "kernels/cpu/line_internal.h"
#include "kernels/elementwise.h"

namespace hop::kernels::cpu {

/// Computes the call in `compute` into `out`: contiguous, of at least one element, the broadcast shape of the inputs.
void elementwise(const detail::Call& call, DType compute, const Tensor& out, std::span<const Input> inputs);

/// The loop of one part of a row (rows::Exp::id, ..), computing in `dtype`; null where there is none.
LineKernel line_kernel(int row, rows::Part part, DType dtype);

}  // namespace hop::kernels::cpu
