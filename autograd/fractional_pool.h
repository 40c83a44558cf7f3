// Max pooling over windows at random places (Graham, "Fractional Max-Pooling", 2014), so that the size of the result
// is no whole fraction of the input's. Differentiable; a composition of gathers.
#pragma once

#include <array>
#include <cstdint>

#include "autograd/pool.h"
#include "tensor/tensor.h"

namespace hop {

/// torch.nn.functional.fractional_max_pool2d: the maximum of each of output_size = {P, Q} windows of `kernel` values:
/// x (N, C, H, W) -> (N, C, P, Q), or (C, H, W) -> (C, P, Q). random_samples (N, C, 2), of x's dtype, in [0, 1), and of
/// one image (1, C, 2): where the windows of an image
/// lie, first for its columns, then for its rows. With a = (H - kernel) / (P - 1) and sample u, window i begins in row
/// trunc((i + u) a) - trunc(u a), and the last one ends with the image. A NaN wins; of several the first one (PyTorch:
/// the last one). The gradient goes to the first maximum of each window. Cost: gathers that hold all windows. f32 or
/// f64. Throws ShapeError for windows that do not fit, DtypeError; IndexError for a sample outside [0, 1) whose windows
/// do not fit (on a GPU when the host next waits for it).
Tensor fractional_max_pool2d(const Tensor& x, const std::array<std::int64_t, 2>& kernel,
                             const std::array<std::int64_t, 2>& output_size, const Tensor& random_samples);
/// The maxima with their places h W + w.
PooledMaxima fractional_max_pool2d_with_indices(const Tensor& x, const std::array<std::int64_t, 2>& kernel,
                                                const std::array<std::int64_t, 2>& output_size,
                                                const Tensor& random_samples);

/// The same for x (N, C, D, H, W) and random_samples (N, C, 3), for D, H and W. A place is (d H + h) W + w. (PyTorch
/// refuses as many windows as there are places for them.)
Tensor fractional_max_pool3d(const Tensor& x, const std::array<std::int64_t, 3>& kernel,
                             const std::array<std::int64_t, 3>& output_size, const Tensor& random_samples);
PooledMaxima fractional_max_pool3d_with_indices(const Tensor& x, const std::array<std::int64_t, 3>& kernel,
                                                const std::array<std::int64_t, 3>& output_size,
                                                const Tensor& random_samples);

}  // namespace hop
