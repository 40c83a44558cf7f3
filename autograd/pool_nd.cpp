#include "autograd/pool_nd.h"

#include <algorithm>
#include <string>

#include "autograd/batch_internal.h"
#include "autograd/composed_internal.h"
#include "autograd/copy.h"
#include "autograd/half_internal.h"
#include "autograd/index.h"
#include "autograd/pool.h"
#include "autograd/reduce.h"
#include "autograd/view.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/index.h"
#include "kernels/view.h"

namespace hop {

using autograd::any_half;
using autograd::expected;
using autograd::in_f32;
using autograd::lacks_batch;
using autograd::power_from_zero;
using autograd::rounded_like;
using autograd::with_batch_of_one;
using autograd::without_batch;

namespace {

using Pool2d = Tensor (*)(const Tensor& x, const Pool2dOptions& options);

/// x (rows, columns) as images of one row, and the windows along it.
Tensor as_lines(const Tensor& x) { return reshape(x, {x.size(0), 1, 1, x.size(1)}); }
Pool2dOptions line_of(const PoolWindow& w, const PoolMode& mode) {
  return {.kernel = {1, w.kernel},
          .stride = {1, w.stride},
          .padding = {0, w.padding},
          .dilation = {1, w.dilation},
          .ceil_mode = mode.ceil_mode,
          .count_include_pad = mode.count_include_pad,
          .divisor_override = mode.divisor_override};
}
/// The windows of H x W, of those of D x H x W.
Pool2dOptions image_of(const std::array<PoolWindow, 3>& w, const PoolMode& mode) {
  return {.kernel = {w[1].kernel, w[2].kernel},
          .stride = {w[1].stride, w[2].stride},
          .padding = {w[1].padding, w[2].padding},
          .dilation = {w[1].dilation, w[2].dilation},
          .ceil_mode = mode.ceil_mode,
          .count_include_pad = mode.count_include_pad,
          .divisor_override = mode.divisor_override};
}

/// Pools x (rows, columns) along its columns.
Tensor along_columns(Pool2d pool, const Tensor& x, const PoolWindow& w, const PoolMode& mode) {
  const Tensor y = pool(as_lines(x), line_of(w, mode));
  return reshape(y, {x.size(0), y.size(3)});
}
PooledMaxima maxima_along_columns(const Tensor& x, const PoolWindow& w, const PoolMode& mode) {
  const PooledMaxima lines = max_pool2d_with_indices(as_lines(x), line_of(w, mode));
  const Shape shape{x.size(0), lines.values.size(3)};
  return {reshape(lines.values, shape), reshape(lines.indices, shape)};
}

void expect_dim(const char* op, const Tensor& x, int dim, const char* form) {
  kernels::expect_any_floating(op, x);
  if (x.dim() != dim) throw ShapeError("[" + std::string(op) + "] expected " + form + ", got " + x.shape().to_string());
}

Tensor pool1d(const char* op, Pool2d pool, const Tensor& x, const PoolWindow& window, const PoolMode& mode) {
  if (lacks_batch(x, 3)) return without_batch(pool1d(op, pool, with_batch_of_one(x), window, mode));
  expect_dim(op, x, 3, "(N, C, L) or (C, L)");
  const Tensor y = along_columns(pool, reshape(x, {x.size(0) * x.size(1), x.size(2)}), window, mode);
  return reshape(y, {x.size(0), x.size(1), y.size(1)});
}

/// Images of H x W first, as the kernels take them, then the depths. A divisor divides the sums of the depths.
Tensor pool3d(const char* op, Pool2d pool, const Tensor& x, const std::array<PoolWindow, 3>& w, const PoolMode& mode) {
  if (any_half(x)) return rounded_like(pool3d(op, pool, in_f32(x), w, mode), x);
  if (lacks_batch(x, 5)) return without_batch(pool3d(op, pool, with_batch_of_one(x), w, mode));
  expect_dim(op, x, 5, "(N, C, D, H, W) or (C, D, H, W)");
  PoolMode of_planes = mode;
  if (mode.divisor_override) of_planes.divisor_override = 1;
  const std::int64_t n = x.size(0), c = x.size(1), d = x.size(2);
  const Tensor planes = pool(reshape(x, {n * c, d, x.size(3), x.size(4)}), image_of(w, of_planes));
  const std::int64_t height = planes.size(2), width = planes.size(3);
  const Tensor depths = reshape(permute(planes, {0, 2, 3, 1}), {n * c * height * width, d});
  const Tensor y = along_columns(pool, depths, w[0], mode);
  return reshape(permute(reshape(y, {n * c, height, width, y.size(1)}), {0, 3, 1, 2}),
                 {n, c, y.size(1), height, width});
}

/// x^p, of which lp_pool() takes sums.
Tensor powers(const char* op, const Tensor& x, double p) {
  kernels::expect_floating(op, x);
  if (!(p > 0) || p == HUGE_VAL) throw ConfigError(expected(op) + "a finite p above 0, got " + std::to_string(p));
  return pow(x, p);
}

void expect_no_average(const char* op, bool count_include_pad, const std::optional<std::int64_t>& divisor) {
  if (count_include_pad && !divisor) return;
  throw ShapeError(expected(op) + kernels::kNoOptionsOfAverages);
}

/// The sum of `count` values to the power of 1 / p, from their mean.
Tensor root(const Tensor& mean, std::int64_t count, double p) {
  return power_from_zero(mean * static_cast<double>(count), 1 / p);
}

// Pooling to a given size: window i of n values in `windows` windows.
std::int64_t begin_of(std::int64_t i, std::int64_t n, std::int64_t windows) { return i * n / windows; }
std::int64_t end_of(std::int64_t i, std::int64_t n, std::int64_t windows) {
  return ((i + 1) * n + windows - 1) / windows;
}

/// The number of windows along dimension `dim` of x, the k-th of the last ones.
std::int64_t windows_along(const char* op, const Tensor& x, int dim, std::int64_t size) {
  const std::int64_t n = x.size(dim), windows = size == kKeepSize ? n : size;
  if (windows < 1 || n < 1) {
    throw ShapeError("[" + std::string(op) + "] expected sizes of at least 1, got " + std::to_string(windows) +
                     " windows of " + std::to_string(n) + " values");
  }
  static_cast<void>(checked_mul(windows, n + 1, op));
  return windows;
}

/// The first of the last dimensions that have a size.
int first_sized(const char* op, const Tensor& x, const std::vector<std::int64_t>& sizes) {
  const int rank = static_cast<int>(sizes.size());
  if (rank == 0 || x.dim() < rank)
    throw ShapeError("[" + std::string(op) + "] expected a size for each of the last dimensions, got " +
                     std::to_string(rank) + " for " + x.shape().to_string());
  return x.dim() - rank;
}

/// A result for which there is no memory: an error now, and not after as many pieces.
void expect_memory(const Tensor& x, int dim, std::int64_t size) {
  Shape shape = x.shape();
  shape[dim] = size;
  static_cast<void>(Tensor::empty(shape, x.dtype(), x.device()));
}

Tensor adaptive_means(const char* op, Tensor x, const std::vector<std::int64_t>& sizes) {
  if (any_half(x)) return rounded_like(adaptive_means(op, in_f32(x), sizes), x);
  kernels::expect_floating(op, x);
  const int first = first_sized(op, x, sizes);
  for (int dim = first; dim < x.dim(); ++dim) {
    const std::int64_t n = x.size(dim),
                       windows = windows_along(op, x, dim, sizes[static_cast<std::size_t>(dim - first)]);
    if (windows == n) continue;
    expect_memory(x, dim, windows);
    std::vector<Tensor> pieces;
    for (std::int64_t i = 0; i < windows; ++i) {
      pieces.push_back(mean(slice(x, dim, begin_of(i, n, windows), end_of(i, n, windows)), {dim}, true));
    }
    x = cat(pieces, dim);
  }
  return x;
}

/// The values of `windows` windows of n values one after the other (i64), `longest` of each: a shorter window repeats
/// its last value, which is not the first maximum then.
Tensor places_of_windows(std::int64_t n, std::int64_t windows, std::int64_t longest, Device device) {
  const Tensor i = reshape(kernels::arange(windows, DType::i64, device), {windows, 1});
  const Tensor begin = kernels::floor_divide(kernels::mul(i, n), windows);
  const Tensor end = kernels::floor_divide(kernels::add(kernels::mul(i, n), n + windows - 1), windows);
  const Tensor place = kernels::add(begin, kernels::arange(longest, DType::i64, device));
  return reshape(kernels::minimum(place, kernels::sub(end, 1)), {windows * longest});
}

/// The maxima along one dimension after another, from the last one: the first maximum of a window is then the first one
/// of the first row that has it. `places` goes along, if it is wanted: where each value of x stood.
PooledMaxima adaptive_maxima(const char* op, Tensor x, const std::vector<std::int64_t>& sizes, bool wants_places) {
  if (any_half(x)) {
    const PooledMaxima wide = adaptive_maxima(op, in_f32(x), sizes, wants_places);
    return {rounded_like(wide.values, x), wide.indices};
  }
  kernels::expect_floating(op, x);
  const int first = first_sized(op, x, sizes), rank = x.dim();
  Tensor places;
  if (wants_places) {
    Shape shape;
    for (int dim = first; dim < rank; ++dim) shape.push_back(x.size(dim));
    const Tensor all = reshape(kernels::arange(shape.numel(), DType::i64, x.device()), shape);
    places = kernels::contiguous(kernels::expand(all, x.shape()));
  }
  for (int dim = rank - 1; dim >= first; --dim) {
    const std::int64_t n = x.size(dim),
                       windows = windows_along(op, x, dim, sizes[static_cast<std::size_t>(dim - first)]);
    if (windows == n) continue;
    expect_memory(x, dim, windows);
    std::int64_t longest = n / windows;
    if (n % windows != 0) {
      for (std::int64_t i = 0; i < windows; ++i)
        longest = std::max(longest, end_of(i, n, windows) - begin_of(i, n, windows));
      const Tensor at = places_of_windows(n, windows, longest, x.device());
      x = index_select(x, dim, at);
      if (wants_places) places = kernels::index_select(places, dim, at);
    }
    std::int64_t before = 1, behind = 1;
    for (int d = 0; d < dim; ++d) before *= x.size(d);
    for (int d = dim + 1; d < rank; ++d) behind *= x.size(d);
    const Shape images{before, 1, windows * longest, behind};
    const PooledMaxima y = max_pool2d_with_indices(reshape(x, images), {.kernel = {longest, 1}});
    Shape shape = x.shape();
    shape[dim] = windows;
    x = reshape(y.values, shape);
    if (!wants_places) continue;
    const Tensor planes = reshape(places, {before, windows * longest * behind});
    places = reshape(kernels::gather(planes, 1, reshape(y.indices, {before, windows * behind})), shape);
  }
  return {x, places};
}

}  // namespace

Tensor max_pool1d(const Tensor& x, const PoolWindow& window, const PoolMode& mode) {
  return pool1d("max_pool1d", max_pool2d, x, window, mode);
}
Tensor avg_pool1d(const Tensor& x, const PoolWindow& window, const PoolMode& mode) {
  return pool1d("avg_pool1d", avg_pool2d, x, window, mode);
}

Tensor max_pool3d(const Tensor& x, const std::array<PoolWindow, 3>& windows, const PoolMode& mode) {
  return pool3d("max_pool3d", max_pool2d, x, windows, mode);
}
Tensor avg_pool3d(const Tensor& x, const std::array<PoolWindow, 3>& windows, const PoolMode& mode) {
  return pool3d("avg_pool3d", avg_pool2d, x, windows, mode);
}

PooledMaxima max_pool1d_with_indices(const Tensor& x, const PoolWindow& window, const PoolMode& mode) {
  if (lacks_batch(x, 3)) return without_batch(max_pool1d_with_indices(with_batch_of_one(x), window, mode));
  expect_dim("max_pool1d_with_indices", x, 3, "(N, C, L) or (C, L)");
  const std::int64_t n = x.size(0), c = x.size(1);
  const PooledMaxima lines = maxima_along_columns(reshape(x, {n * c, x.size(2)}), window, mode);
  const Shape shape{n, c, lines.values.size(1)};
  return {reshape(lines.values, shape), reshape(lines.indices, shape)};
}

// The first maximum of a volume is the first one of the first plane that has it.
PooledMaxima max_pool3d_with_indices(const Tensor& x, const std::array<PoolWindow, 3>& w, const PoolMode& mode) {
  if (any_half(x)) {
    const PooledMaxima wide = max_pool3d_with_indices(in_f32(x), w, mode);
    return {rounded_like(wide.values, x), wide.indices};
  }
  if (lacks_batch(x, 5)) return without_batch(max_pool3d_with_indices(with_batch_of_one(x), w, mode));
  expect_dim("max_pool3d_with_indices", x, 5, "(N, C, D, H, W) or (C, D, H, W)");
  const std::int64_t n = x.size(0), c = x.size(1), d = x.size(2);
  const auto [planes, in_plane] =
      max_pool2d_with_indices(reshape(x, {n * c, d, x.size(3), x.size(4)}), image_of(w, mode));
  const std::int64_t height = planes.size(2), width = planes.size(3), lines = n * c * height * width;
  const auto [values, depths] = maxima_along_columns(reshape(permute(planes, {0, 2, 3, 1}), {lines, d}), w[0], mode);
  const Tensor places = kernels::gather(reshape(permute(in_plane, {0, 2, 3, 1}), {lines, d}), 1, depths);
  const Tensor indices = kernels::add(kernels::mul(depths, x.size(3) * x.size(4)), places);
  const Shape columns{n, c, height, width, values.size(1)};
  const auto in_order = [&](const Tensor& y) { return permute(reshape(y, columns), {0, 1, 4, 2, 3}); };
  return {in_order(values), in_order(indices)};
}

Tensor lp_pool1d(const Tensor& x, double p, const PoolWindow& window, const PoolMode& mode) {
  if (any_half(x)) return rounded_like(lp_pool1d(in_f32(x), p, window, mode), x);
  expect_no_average("lp_pool1d", mode.count_include_pad, mode.divisor_override);
  return root(pool1d("lp_pool1d", avg_pool2d, powers("lp_pool1d", x, p), window, mode), window.kernel, p);
}
Tensor lp_pool2d(const Tensor& x, double p, const Pool2dOptions& options) {
  if (any_half(x)) return rounded_like(lp_pool2d(in_f32(x), p, options), x);
  expect_no_average("lp_pool2d", options.count_include_pad, options.divisor_override);
  const std::int64_t count = checked_mul(options.kernel[0], options.kernel[1], "lp_pool2d");
  return root(avg_pool2d(powers("lp_pool2d", x, p), options), count, p);
}
Tensor lp_pool3d(const Tensor& x, double p, const std::array<PoolWindow, 3>& w, const PoolMode& mode) {
  if (any_half(x)) return rounded_like(lp_pool3d(in_f32(x), p, w, mode), x);
  constexpr const char* kOp = "lp_pool3d";
  expect_no_average(kOp, mode.count_include_pad, mode.divisor_override);
  const std::int64_t count = checked_mul(checked_mul(w[0].kernel, w[1].kernel, kOp), w[2].kernel, kOp);
  return root(pool3d(kOp, avg_pool2d, powers(kOp, x, p), w, mode), count, p);
}

Tensor adaptive_avg_pool(const Tensor& x, const std::vector<std::int64_t>& sizes) {
  return adaptive_means("adaptive_avg_pool", x, sizes);
}
Tensor adaptive_max_pool(const Tensor& x, const std::vector<std::int64_t>& sizes) {
  return adaptive_maxima("adaptive_max_pool", x, sizes, false).values;
}
PooledMaxima adaptive_max_pool_with_indices(const Tensor& x, const std::vector<std::int64_t>& sizes) {
  return adaptive_maxima("adaptive_max_pool_with_indices", x, sizes, true);
}

}  // namespace hop
