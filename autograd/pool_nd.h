// Pooling along one and three dimensions, and pooling to a given size: compositions of the 2-d pooling and of means of
// slices. Windows along different dimensions are independent, so each dimension is pooled for itself. Inputs may lack
// the batch dimension N.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "autograd/pool.h"
#include "tensor/tensor.h"

namespace hop {

/// The windows along one dimension. stride 0: equal to the kernel.
struct PoolWindow {
  std::int64_t kernel = 2;
  std::int64_t stride = 0;
  std::int64_t padding = 0;   ///< at most half of what the kernel spans
  std::int64_t dilation = 1;  ///< distance between the values of a window, for maxima
};

/// What holds for all dimensions: see Pool2dOptions. The last two are for averages.
struct PoolMode {
  bool ceil_mode = false;
  bool count_include_pad = true;
  std::optional<std::int64_t> divisor_override = {};
};

/// The maximum of each window: x (N, C, L) -> (N, C, P), P = (L + 2 padding - dilation (kernel - 1) - 1) / stride + 1,
/// rounded down, or up in ceil_mode. NaN wins. The gradient goes to the first maximum. Throws ShapeError, DtypeError.
Tensor max_pool1d(const Tensor& x, const PoolWindow& window = {}, const PoolMode& mode = {});
/// The mean of each window, with padding and divisor as in avg_pool2d(). Otherwise as max_pool1d().
Tensor avg_pool1d(const Tensor& x, const PoolWindow& window = {}, const PoolMode& mode = {});

/// The maxima with their places 0..L-1.
PooledMaxima max_pool1d_with_indices(const Tensor& x, const PoolWindow& window = {}, const PoolMode& mode = {});

/// The same for x (N, C, D, H, W), with a window for each of D, H, W. A place is (d H + h) W + w.
Tensor max_pool3d(const Tensor& x, const std::array<PoolWindow, 3>& windows = {}, const PoolMode& mode = {});
Tensor avg_pool3d(const Tensor& x, const std::array<PoolWindow, 3>& windows = {}, const PoolMode& mode = {});
PooledMaxima max_pool3d_with_indices(const Tensor& x, const std::array<PoolWindow, 3>& windows = {},
                                     const PoolMode& mode = {});

/// torch.nn.functional.lp_pool1d and its kin: (sum x^p)^(1/p) of each window of x (N, C, L), (N, C, H, W) or (N, C, D,
/// H, W). As in PyTorch, x^p has x's sign for an odd p, and is NaN for a negative x and a p with a fraction. Where the
/// sum is 0, its gradient is 0. Padding counts as zeros. As in PyTorch, the sum of a window that reaches out of the
/// image (ceil_mode) counts as that of a whole one: it is multiplied by kernel / values. Throws ConfigError unless p is
/// finite and above 0; ShapeError, also for another option than ceil_mode; DtypeError.
Tensor lp_pool1d(const Tensor& x, double p, const PoolWindow& window = {}, const PoolMode& mode = {});
Tensor lp_pool2d(const Tensor& x, double p, const Pool2dOptions& options = {});
Tensor lp_pool3d(const Tensor& x, double p, const std::array<PoolWindow, 3>& windows = {}, const PoolMode& mode = {});

/// A size of an adaptive pooling that stays as it is: PyTorch's None.
inline constexpr std::int64_t kKeepSize = std::numeric_limits<std::int64_t>::min();

/// The means of sizes[k] windows along each of the last dimensions: x (N, C, H, W) with sizes {h, w} -> (N, C, h, w),
/// torch.nn.functional.adaptive_avg_pool2d and its kin. Window i of n values in s windows is i n / s (rounded down) to
/// (i + 1) n / s (rounded up), so windows may overlap. kKeepSize keeps a size. Throws ShapeError for fewer dimensions,
/// for no values and for sizes below 1; DtypeError.
Tensor adaptive_avg_pool(const Tensor& x, const std::vector<std::int64_t>& sizes);
/// The maxima. NaN wins. The gradient goes to the first maximum of each window. Cost: a copy of x, and a gather where
/// windows overlap, per pooled dimension.
Tensor adaptive_max_pool(const Tensor& x, const std::vector<std::int64_t>& sizes);
/// The maxima with their places among the values of the pooled dimensions, row by row: h W + w for two. torch.nn
/// .functional.adaptive_max_pool2d(return_indices=True) and its kin.
PooledMaxima adaptive_max_pool_with_indices(const Tensor& x, const std::vector<std::int64_t>& sizes);

namespace autograd {
inline PoolWindow line_window(std::int64_t kernel_size, std::int64_t stride, std::int64_t padding) {
  return {kernel_size, stride, padding};
}
inline std::array<PoolWindow, 3> cubic_windows(std::int64_t kernel_size, std::int64_t stride, std::int64_t padding) {
  const PoolWindow window = line_window(kernel_size, stride, padding);
  return {window, window, window};
}
}  // namespace autograd

/// The same windows along all dimensions: max_pool1d(x, 2), avg_pool3d(x, 3, 2, 1), lp_pool2d(x, 2, 3). A stride of 0
/// is the kernel's size.
inline Tensor max_pool1d(const Tensor& x, std::integral auto kernel_size, std::int64_t stride = 0,
                         std::int64_t padding = 0) {
  return max_pool1d(x, autograd::line_window(kernel_size, stride, padding));
}
inline Tensor avg_pool1d(const Tensor& x, std::integral auto kernel_size, std::int64_t stride = 0,
                         std::int64_t padding = 0) {
  return avg_pool1d(x, autograd::line_window(kernel_size, stride, padding));
}
inline PooledMaxima max_pool1d_with_indices(const Tensor& x, std::integral auto kernel_size, std::int64_t stride = 0,
                                            std::int64_t padding = 0) {
  return max_pool1d_with_indices(x, autograd::line_window(kernel_size, stride, padding));
}
inline Tensor max_pool3d(const Tensor& x, std::integral auto kernel_size, std::int64_t stride = 0,
                         std::int64_t padding = 0) {
  return max_pool3d(x, autograd::cubic_windows(kernel_size, stride, padding));
}
inline Tensor avg_pool3d(const Tensor& x, std::integral auto kernel_size, std::int64_t stride = 0,
                         std::int64_t padding = 0) {
  return avg_pool3d(x, autograd::cubic_windows(kernel_size, stride, padding));
}
inline PooledMaxima max_pool3d_with_indices(const Tensor& x, std::integral auto kernel_size, std::int64_t stride = 0,
                                            std::int64_t padding = 0) {
  return max_pool3d_with_indices(x, autograd::cubic_windows(kernel_size, stride, padding));
}
inline Tensor lp_pool1d(const Tensor& x, double p, std::integral auto kernel_size, std::int64_t stride = 0) {
  return lp_pool1d(x, p, autograd::line_window(kernel_size, stride, 0));
}
inline Tensor lp_pool2d(const Tensor& x, double p, std::integral auto kernel_size, std::int64_t stride = 0) {
  return lp_pool2d(x, p, autograd::square_windows(kernel_size, stride, 0));
}
inline Tensor lp_pool3d(const Tensor& x, double p, std::integral auto kernel_size, std::int64_t stride = 0) {
  return lp_pool3d(x, p, autograd::cubic_windows(kernel_size, stride, 0));
}

}  // namespace hop
