// Reductions on the CPU: what kernels/reduce.cpp asks for.
#pragma once

#include <array>

#include "kernels/cpu/reduce_loops_internal.h"
#include "tensor/tensor.h"

namespace hop::kernels::cpu {

/// Which dimensions are reduced.
using DimSet = std::array<bool, kMaxDims>;

/// Reduces the dimensions of x in `dims` into y, contiguous and of the result's dtype. y has elements, x may have none.
/// max and min want at least one value per output; mean and var a floating x. `correction` is for var alone.
void reduce(Reduction op, const Tensor& x, const DimSet& dims, const Tensor& y, std::int64_t correction = 0);

/// y_i = index of the first maximum of row i of x, contiguous, rows of `length` > 0. A NaN is the maximum.
void argmax(const Tensor& x, std::int64_t length, const Tensor& y);

}  // namespace hop::kernels::cpu
