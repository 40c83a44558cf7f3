#include "autograd/unpool.h"

#include <algorithm>
#include <span>
#include <string>

#include "autograd/batch_internal.h"
#include "autograd/composed_internal.h"
#include "autograd/copy.h"
#include "autograd/index_internal.h"
#include "autograd/view.h"

namespace hop {

using autograd::expected;

namespace {

Tensor unpool(const char* op, const Tensor& x, const Tensor& indices, std::span<const PoolWindow> windows,
              std::span<const std::int64_t> output_size) {
  kernels::expect_any_floating(op, x);
  kernels::expect_same_device(op, {&x, &indices});
  const int rank = static_cast<int>(windows.size());
  if (autograd::lacks_batch(x, rank + 2) && indices.shape() == x.shape()) {
    const auto batch = [](const Tensor& t) { return autograd::with_batch_of_one(t); };
    return autograd::without_batch(unpool(op, batch(x), batch(indices), windows, output_size));
  }
  if (x.dim() != rank + 2 || indices.shape() != x.shape()) {
    throw ShapeError(expected(op) + "x (N, C, ..) with " + std::to_string(rank) +
                     " more dimensions and indices of its shape, got " + x.shape().to_string() + " and " +
                     indices.shape().to_string());
  }
  Shape y{x.size(0), x.size(1)};
  std::int64_t places = 1;
  for (int d = 0; d < rank; ++d) {
    const PoolWindow& w = windows[static_cast<std::size_t>(d)];
    const std::int64_t stride = w.stride == 0 ? w.kernel : w.stride, pooled = x.size(d + 2);
    if (w.kernel < 1 || stride < 1 || w.padding < 0 || w.dilation < 1 || pooled < 1) {
      throw ShapeError(expected(op) +
                       "a kernel, a stride and a dilation of at least 1, a padding of at least 0 and values, got " +
                       std::to_string(w.kernel) + ", " + std::to_string(stride) + ", " + std::to_string(w.dilation) +
                       ", " + std::to_string(w.padding) + " and " + x.shape().to_string());
    }
    const std::int64_t span = checked_add(checked_mul(w.dilation, w.kernel - 1, op), 1, op);
    const std::int64_t full = checked_add(checked_mul(pooled - 1, stride, op), span, op);
    const std::int64_t natural = full - checked_mul(2, w.padding, op);
    const std::int64_t size = output_size.empty() ? natural : output_size[static_cast<std::size_t>(d)];
    if (size < 1 || size <= natural - stride || size >= checked_add(natural, stride, op)) {
      throw ShapeError(expected(op) + "an output size from " +
                       std::to_string(std::max<std::int64_t>(natural - stride + 1, 1)) + " to " +
                       std::to_string(natural + stride - 1) + ", got " + std::to_string(size) + " along dimension " +
                       std::to_string(d + 2));
    }
    y.push_back(size);
    places = checked_mul(places, size, op);
  }
  const Shape flat{x.size(0), x.size(1), x.numel() == 0 ? 0 : x.numel() / (x.size(0) * x.size(1))};
  const Tensor nothing = zeros({x.size(0), x.size(1), places}, x.dtype(), x.device());
  return reshape(autograd::scatter_for(op, nothing, 2, reshape(indices, flat), reshape(x, flat)), y);
}

}  // namespace

Tensor max_unpool1d(const Tensor& x, const Tensor& indices, const PoolWindow& window,
                    const std::optional<std::int64_t>& output_size) {
  const std::int64_t size = output_size.value_or(0);
  return unpool("max_unpool1d", x, indices, {&window, 1}, {&size, output_size.has_value() ? 1U : 0U});
}

Tensor max_unpool2d(const Tensor& x, const Tensor& indices, const Pool2dOptions& options,
                    const std::optional<std::array<std::int64_t, 2>>& output_size) {
  std::array<PoolWindow, 2> windows;
  for (std::size_t d = 0; d < 2; ++d)
    windows[d] = {options.kernel[d], options.stride[d], options.padding[d], options.dilation[d]};
  const std::array<std::int64_t, 2> sizes = output_size.value_or(std::array<std::int64_t, 2>{});
  return unpool("max_unpool2d", x, indices, windows, std::span(sizes).first(output_size.has_value() ? 2 : 0));
}

Tensor max_unpool3d(const Tensor& x, const Tensor& indices, const std::array<PoolWindow, 3>& windows,
                    const std::optional<std::array<std::int64_t, 3>>& output_size) {
  const std::array<std::int64_t, 3> sizes = output_size.value_or(std::array<std::int64_t, 3>{});
  return unpool("max_unpool3d", x, indices, windows, std::span(sizes).first(output_size.has_value() ? 3 : 0));
}

}  // namespace hop
