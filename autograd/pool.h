// Differentiable 2-d pooling over (N, C, H, W), or over one image (C, H, W).
#pragma once

#include <concepts>
#include <cstdint>

#include "kernels/pool.h"
#include "tensor/tensor.h"

namespace hop {

/// The maxima of windows, and where they stood.
struct PooledMaxima {
  Tensor values{};
  Tensor indices{};  ///< i64, in the shape of `values`: the place within the image or volume, row by row
};

/// The maximum of each window: x (N, C, H, W) floating -> (N, C, P, Q), P = (H + 2 padding - dilation (kernel - 1) - 1)
/// / stride + 1, rounded down, or up in ceil_mode (see Pool2dOptions); Q likewise for columns. Or (C, H, W) -> (C, P,
/// Q). NaN wins; of several NaN the first one (PyTorch: the last one). The gradient goes to the first maximum of each
/// window. torch.nn.functional.max_pool2d. Throws ShapeError for a window that does not fit and for options of
/// averages, DtypeError.
Tensor max_pool2d(const Tensor& x, const Pool2dOptions& options = {});
/// The same, with the places h W + w of the maxima: torch.nn.functional.max_pool2d(return_indices=True).
PooledMaxima max_pool2d_with_indices(const Tensor& x, const Pool2dOptions& options = {});
/// The mean of each window: its sum divided by the number of its values. Padding counts as zeros unless
/// count_include_pad is false; what a window has beyond the padding (ceil_mode) never counts. torch.nn.functional
/// .avg_pool2d. Shapes and errors as in max_pool2d(), and ShapeError for a dilation and a divisor of 0.
Tensor avg_pool2d(const Tensor& x, const Pool2dOptions& options = {});

namespace autograd {
inline Pool2dOptions square_windows(std::int64_t kernel_size, std::int64_t stride, std::int64_t padding) {
  return {.kernel = {kernel_size, kernel_size}, .stride = {stride, stride}, .padding = {padding, padding}};
}
}  // namespace autograd

/// Square windows: max_pool2d(x, 2), max_pool2d(x, 3, 2, 1). A stride of 0 is the kernel's size.
inline Tensor max_pool2d(const Tensor& x, std::integral auto kernel_size, std::int64_t stride = 0,
                         std::int64_t padding = 0) {
  return max_pool2d(x, autograd::square_windows(kernel_size, stride, padding));
}
inline PooledMaxima max_pool2d_with_indices(const Tensor& x, std::integral auto kernel_size, std::int64_t stride = 0,
                                            std::int64_t padding = 0) {
  return max_pool2d_with_indices(x, autograd::square_windows(kernel_size, stride, padding));
}
inline Tensor avg_pool2d(const Tensor& x, std::integral auto kernel_size, std::int64_t stride = 0,
                         std::int64_t padding = 0) {
  return avg_pool2d(x, autograd::square_windows(kernel_size, stride, padding));
}

}  // namespace hop
