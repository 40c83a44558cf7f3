#include "autograd/pool_nd.h"

#include <string>

#include "autograd/composed_internal.h"
#include "autograd/copy.h"
#include "autograd/half_internal.h"
#include "autograd/pool.h"
#include "autograd/reduce.h"
#include "autograd/view.h"
#include "base/error.h"
#include "kernels/index.h"
#include "kernels/view.h"

namespace hop {

using autograd::any_half;
using autograd::expected;
using autograd::in_f32;
using autograd::power_from_zero;
using autograd::rounded_like;

namespace {

using Pool2d = Tensor (*)(const Tensor& x, const Pool2dOptions& options);

/// x (rows, columns) as images of one row, and the windows along it.
Tensor as_lines(const Tensor& x) { return reshape(x, {x.size(0), 1, 1, x.size(1)}); }
Pool2dOptions line_of(const PoolWindow& w) {
  return {.kernel = {1, w.kernel}, .stride = {1, w.stride}, .padding = {0, w.padding}};
}
/// The windows of H x W, of those of D x H x W.
Pool2dOptions image_of(const std::array<PoolWindow, 3>& w) {
  return {.kernel = {w[1].kernel, w[2].kernel},
          .stride = {w[1].stride, w[2].stride},
          .padding = {w[1].padding, w[2].padding}};
}

/// Pools x (rows, columns) along its columns.
Tensor along_columns(Pool2d pool, const Tensor& x, const PoolWindow& w) {
  const Tensor y = pool(as_lines(x), line_of(w));
  return reshape(y, {x.size(0), y.size(3)});
}
PooledMaxima maxima_along_columns(const Tensor& x, const PoolWindow& w) {
  const PooledMaxima lines = max_pool2d_with_indices(as_lines(x), line_of(w));
  const Shape shape{x.size(0), lines.values.size(3)};
  return {reshape(lines.values, shape), reshape(lines.indices, shape)};
}

void expect_dim(const char* op, const Tensor& x, int dim, const char* form) {
  kernels::expect_any_floating(op, x);
  if (x.dim() != dim) throw ShapeError("[" + std::string(op) + "] expected " + form + ", got " + x.shape().to_string());
}

Tensor pool1d(const char* op, Pool2d pool, const Tensor& x, const PoolWindow& window) {
  expect_dim(op, x, 3, "(N, C, L)");
  const Tensor y = along_columns(pool, reshape(x, {x.size(0) * x.size(1), x.size(2)}), window);
  return reshape(y, {x.size(0), x.size(1), y.size(1)});
}

/// Images of H x W first, as the kernels take them, then the depths.
Tensor pool3d(const char* op, Pool2d pool, const Tensor& x, const std::array<PoolWindow, 3>& w) {
  if (any_half(x)) return rounded_like(pool3d(op, pool, in_f32(x), w), x);
  expect_dim(op, x, 5, "(N, C, D, H, W)");
  const std::int64_t n = x.size(0), c = x.size(1), d = x.size(2);
  const Tensor planes = pool(reshape(x, {n * c, d, x.size(3), x.size(4)}), image_of(w));
  const std::int64_t height = planes.size(2), width = planes.size(3);
  const Tensor depths = reshape(permute(planes, {0, 2, 3, 1}), {n * c * height * width, d});
  const Tensor y = along_columns(pool, depths, w[0]);
  return reshape(permute(reshape(y, {n * c, height, width, y.size(1)}), {0, 3, 1, 2}),
                 {n, c, y.size(1), height, width});
}

/// x^p, of which lp_pool() takes sums.
Tensor powers(const char* op, const Tensor& x, double p) {
  kernels::expect_floating(op, x);
  if (!(p > 0) || p == HUGE_VAL) throw ConfigError(expected(op) + "a finite p above 0, got " + std::to_string(p));
  return pow(x, p);
}

/// The sum of `count` values to the power of 1 / p, from their mean.
Tensor root(const Tensor& mean, std::int64_t count, double p) {
  return power_from_zero(mean * static_cast<double>(count), 1 / p);
}

using Summary = Tensor (*)(const Tensor& x, const Dims& dims, bool keepdim);

Tensor adaptive(const char* op, Summary summary, Tensor x, const std::vector<std::int64_t>& sizes) {
  if (any_half(x)) return rounded_like(adaptive(op, summary, in_f32(x), sizes), x);
  kernels::expect_floating(op, x);
  const int rank = static_cast<int>(sizes.size());
  if (rank == 0 || x.dim() < rank)
    throw ShapeError("[" + std::string(op) + "] expected a size for each of the last dimensions, got " +
                     std::to_string(rank) + " for " + x.shape().to_string());
  for (int k = 0; k < rank; ++k) {
    const int dim = x.dim() - rank + k;
    const std::int64_t n = x.size(dim), windows = sizes[static_cast<std::size_t>(k)];
    if (windows < 1 || n < 1) {
      throw ShapeError("[" + std::string(op) + "] expected sizes of at least 1, got " + std::to_string(windows) +
                       " windows of " + std::to_string(n) + " values");
    }
    if (windows == n) continue;
    static_cast<void>(checked_mul(windows, n + 1, op));
    Shape shape = x.shape();
    shape[dim] = windows;
    // A result for which there is no memory: an error now, and not after as many pieces.
    static_cast<void>(Tensor::empty(shape, x.dtype(), x.device()));
    std::vector<Tensor> pieces;
    for (std::int64_t i = 0; i < windows; ++i) {
      const std::int64_t begin = i * n / windows, end = ((i + 1) * n + windows - 1) / windows;
      pieces.push_back(summary(slice(x, dim, begin, end), {dim}, true));
    }
    x = cat(pieces, dim);
  }
  return x;
}

}  // namespace

Tensor max_pool1d(const Tensor& x, const PoolWindow& window) { return pool1d("max_pool1d", max_pool2d, x, window); }
Tensor avg_pool1d(const Tensor& x, const PoolWindow& window) { return pool1d("avg_pool1d", avg_pool2d, x, window); }

Tensor max_pool3d(const Tensor& x, const std::array<PoolWindow, 3>& windows) {
  return pool3d("max_pool3d", max_pool2d, x, windows);
}
Tensor avg_pool3d(const Tensor& x, const std::array<PoolWindow, 3>& windows) {
  return pool3d("avg_pool3d", avg_pool2d, x, windows);
}

PooledMaxima max_pool1d_with_indices(const Tensor& x, const PoolWindow& window) {
  expect_dim("max_pool1d_with_indices", x, 3, "(N, C, L)");
  const std::int64_t n = x.size(0), c = x.size(1);
  const PooledMaxima lines = maxima_along_columns(reshape(x, {n * c, x.size(2)}), window);
  const Shape shape{n, c, lines.values.size(1)};
  return {reshape(lines.values, shape), reshape(lines.indices, shape)};
}

// The first maximum of a volume is the first one of the first plane that has it.
PooledMaxima max_pool3d_with_indices(const Tensor& x, const std::array<PoolWindow, 3>& w) {
  if (any_half(x)) {
    const PooledMaxima wide = max_pool3d_with_indices(in_f32(x), w);
    return {rounded_like(wide.values, x), wide.indices};
  }
  expect_dim("max_pool3d_with_indices", x, 5, "(N, C, D, H, W)");
  const std::int64_t n = x.size(0), c = x.size(1), d = x.size(2);
  const auto [planes, in_plane] = max_pool2d_with_indices(reshape(x, {n * c, d, x.size(3), x.size(4)}), image_of(w));
  const std::int64_t height = planes.size(2), width = planes.size(3), lines = n * c * height * width;
  const auto [values, depths] = maxima_along_columns(reshape(permute(planes, {0, 2, 3, 1}), {lines, d}), w[0]);
  const Tensor places = kernels::gather(reshape(permute(in_plane, {0, 2, 3, 1}), {lines, d}), 1, depths);
  const Tensor indices = kernels::add(kernels::mul(depths, x.size(3) * x.size(4)), places);
  const Shape columns{n, c, height, width, values.size(1)};
  const auto in_order = [&](const Tensor& y) { return permute(reshape(y, columns), {0, 1, 4, 2, 3}); };
  return {in_order(values), in_order(indices)};
}

Tensor lp_pool1d(const Tensor& x, double p, const PoolWindow& window) {
  if (any_half(x)) return rounded_like(lp_pool1d(in_f32(x), p, window), x);
  return root(pool1d("lp_pool1d", avg_pool2d, powers("lp_pool1d", x, p), window), window.kernel, p);
}
Tensor lp_pool2d(const Tensor& x, double p, const Pool2dOptions& options) {
  if (any_half(x)) return rounded_like(lp_pool2d(in_f32(x), p, options), x);
  const std::int64_t count = checked_mul(options.kernel[0], options.kernel[1], "lp_pool2d");
  return root(avg_pool2d(powers("lp_pool2d", x, p), options), count, p);
}
Tensor lp_pool3d(const Tensor& x, double p, const std::array<PoolWindow, 3>& w) {
  if (any_half(x)) return rounded_like(lp_pool3d(in_f32(x), p, w), x);
  constexpr const char* kOp = "lp_pool3d";
  const std::int64_t count = checked_mul(checked_mul(w[0].kernel, w[1].kernel, kOp), w[2].kernel, kOp);
  return root(pool3d(kOp, avg_pool2d, powers(kOp, x, p), w), count, p);
}

Tensor adaptive_avg_pool(const Tensor& x, const std::vector<std::int64_t>& sizes) {
  return adaptive("adaptive_avg_pool", mean, x, sizes);
}
Tensor adaptive_max_pool(const Tensor& x, const std::vector<std::int64_t>& sizes) {
  return adaptive("adaptive_max_pool", max, x, sizes);
}

}  // namespace hop
