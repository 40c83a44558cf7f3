// The worked example of a kernel and its host side: sums of rows.
#pragma once

#include "kernels/cuda/language.h"

namespace hop::kernels::cuda {

/// y (rows) = sums of the rows of x (rows, columns), both in device memory. The sum is a fixed tree: the same bits for
/// every schedule. Floor: one read of x.
void row_sum(const float* x, float* y, int rows, int columns, cudaStream_t stream);

}  // namespace hop::kernels::cuda
