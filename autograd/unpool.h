// The partial inverse of max pooling: values back at the places where maxima stood. Differentiable.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <optional>

#include "autograd/pool.h"
#include "autograd/pool_nd.h"
#include "tensor/tensor.h"

namespace hop {

/// torch.nn.functional.max_unpool2d: x (N, C, P, Q), and indices (i64, x's shape) from max_pool2d_with_indices() with
/// the same `options` -> zeros (N, C, H, W) with the values of x at their places. x and indices may lack the batch
/// dimension. By default H = (P - 1) stride - 2 padding + dilation (kernel - 1) + 1, and W likewise; an `output_size`
/// (H, W) may be up to stride - 1 larger or smaller, because a pooling drops what is left over. If windows overlap and
/// a place is named twice, the last value counts and has all of the gradient (PyTorch: any of them counts, and each has
/// the gradient). Cost: that of scatter(). Throws ShapeError, DtypeError, and IndexError for a place out of range (on a
/// GPU when the host next waits for it).
Tensor max_unpool2d(const Tensor& x, const Tensor& indices, const Pool2dOptions& options = {},
                    const std::optional<std::array<std::int64_t, 2>>& output_size = {});
/// The same for x (N, C, P) -> (N, C, L).
Tensor max_unpool1d(const Tensor& x, const Tensor& indices, const PoolWindow& window = {},
                    const std::optional<std::int64_t>& output_size = {});
/// The same for x (N, C, O, P, Q) -> (N, C, D, H, W).
Tensor max_unpool3d(const Tensor& x, const Tensor& indices, const std::array<PoolWindow, 3>& windows = {},
                    const std::optional<std::array<std::int64_t, 3>>& output_size = {});

/// The same windows along all dimensions: max_unpool2d(y, indices, 2). A stride of 0 is the kernel's size.
inline Tensor max_unpool1d(const Tensor& x, const Tensor& indices, std::integral auto kernel_size,
                           std::int64_t stride = 0, std::int64_t padding = 0) {
  return max_unpool1d(x, indices, autograd::line_window(kernel_size, stride, padding));
}
inline Tensor max_unpool2d(const Tensor& x, const Tensor& indices, std::integral auto kernel_size,
                           std::int64_t stride = 0, std::int64_t padding = 0) {
  return max_unpool2d(x, indices, autograd::square_windows(kernel_size, stride, padding));
}
inline Tensor max_unpool3d(const Tensor& x, const Tensor& indices, std::integral auto kernel_size,
                           std::int64_t stride = 0, std::int64_t padding = 0) {
  return max_unpool3d(x, indices, autograd::cubic_windows(kernel_size, stride, padding));
}

}  // namespace hop
