// Convolutions by our own kernels: f64, and f32 where there is no cuDNN or math().own_kernels asks for them.
#pragma once

#include "kernels/operations_internal.h"

namespace hop::kernels::cuda {

/// As Operations::conv2d without bias; everything contiguous.
void conv2d_in_loops(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& y);

}  // namespace hop::kernels::cuda
