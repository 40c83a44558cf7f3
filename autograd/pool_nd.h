// Pooling along one and three dimensions, and pooling to a given size: compositions of the 2-d pooling and of means and
// maxima of slices. Windows along different dimensions are independent, so each dimension is pooled for itself.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "autograd/pool.h"
#include "tensor/tensor.h"

namespace hop {

/// The windows along one dimension. stride 0: equal to the kernel.
struct PoolWindow {
  std::int64_t kernel = 2;
  std::int64_t stride = 0;
  std::int64_t padding = 0;  ///< at most half the kernel
};

/// The maximum of each window: x (N, C, L) -> (N, C, P), P = (L + 2 padding - kernel) / stride + 1, rounded down. NaN
/// wins. The gradient goes to the first maximum. Throws ShapeError, DtypeError.
Tensor max_pool1d(const Tensor& x, const PoolWindow& window = {});
/// The mean of each window; padding counts as zeros. Otherwise as max_pool1d().
Tensor avg_pool1d(const Tensor& x, const PoolWindow& window = {});

/// The maxima with their places 0..L-1.
PooledMaxima max_pool1d_with_indices(const Tensor& x, const PoolWindow& window = {});

/// The same for x (N, C, D, H, W), with a window for each of D, H, W. A place is (d H + h) W + w.
Tensor max_pool3d(const Tensor& x, const std::array<PoolWindow, 3>& windows = {});
Tensor avg_pool3d(const Tensor& x, const std::array<PoolWindow, 3>& windows = {});
PooledMaxima max_pool3d_with_indices(const Tensor& x, const std::array<PoolWindow, 3>& windows = {});

/// torch.nn.functional.lp_pool1d and its kin: (sum x^p)^(1/p) of each window of x (N, C, L), (N, C, H, W) or (N, C, D,
/// H, W). As in PyTorch, x^p has x's sign for an odd p, and is NaN for a negative x and a p with a fraction. Where the
/// sum is 0, its gradient is 0. Padding counts as zeros. Throws ConfigError unless p is finite and above 0; ShapeError,
/// DtypeError.
Tensor lp_pool1d(const Tensor& x, double p, const PoolWindow& window = {});
Tensor lp_pool2d(const Tensor& x, double p, const Pool2dOptions& options = {});
Tensor lp_pool3d(const Tensor& x, double p, const std::array<PoolWindow, 3>& windows = {});

/// The means of sizes[k] windows along each of the last dimensions: x (N, C, H, W) with sizes {h, w} -> (N, C, h, w),
/// torch.nn.functional.adaptive_avg_pool2d and its kin. Window i of n values in s windows is i n / s (rounded down) to
/// (i + 1) n / s (rounded up), so windows may overlap. Throws ShapeError for fewer dimensions, for no values and for
/// sizes below 1; DtypeError.
Tensor adaptive_avg_pool(const Tensor& x, const std::vector<std::int64_t>& sizes);
/// The maxima. If several values are the maximum of a window, they share the gradient (PyTorch: the first gets it).
Tensor adaptive_max_pool(const Tensor& x, const std::vector<std::int64_t>& sizes);

}  // namespace hop
