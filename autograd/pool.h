// Differentiable 2-d pooling over (N, C, H, W).
#pragma once

#include "kernels/pool.h"
#include "tensor/tensor.h"

namespace hop {

/// The maxima of windows, and where they stood.
struct PooledMaxima {
  Tensor values{};
  Tensor indices{};  ///< i64, in the shape of `values`: the place within the image or volume, row by row
};

/// The maximum of each window: x (N, C, H, W) floating -> (N, C, P, Q), P = (H + 2 padding - kernel) / stride + 1,
/// rounded down; Q likewise for columns. NaN wins; of several NaN the first one (PyTorch: the last one). The gradient
/// goes to the first maximum of each window. Throws ShapeError for a window that does not fit, DtypeError.
Tensor max_pool2d(const Tensor& x, const Pool2dOptions& options = {});
/// The same, with the places h W + w of the maxima: torch.nn.functional.max_pool2d(return_indices=True).
PooledMaxima max_pool2d_with_indices(const Tensor& x, const Pool2dOptions& options = {});
/// The mean of each window; padding counts as zeros. Shapes and errors as in max_pool2d().
Tensor avg_pool2d(const Tensor& x, const Pool2dOptions& options = {});

}  // namespace hop
