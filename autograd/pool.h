// Differentiable 2-d pooling over (N, C, H, W).
#pragma once

#include "kernels/pool.h"
#include "tensor/tensor.h"

namespace hop {

/// The gradient goes to the first maximum of each window.
Tensor max_pool2d(const Tensor& x, const Pool2dOptions& options = {});
Tensor avg_pool2d(const Tensor& x, const Pool2dOptions& options = {});

}  // namespace hop
