#include "autograd/interpolate.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "autograd/composed_internal.h"
#include "autograd/copy.h"
#include "autograd/half_internal.h"
#include "autograd/index.h"
#include "autograd/pool_nd.h"
#include "autograd/view.h"
#include "base/words.h"
#include "kernels/copy.h"

namespace hop {

using autograd::expected;

namespace {

bool is_nearest(InterpolateMode mode) {
  return mode == InterpolateMode::nearest || mode == InterpolateMode::nearest_exact;
}

/// Whether a result is computed from positions between elements.
bool is_between(InterpolateMode mode) { return !is_nearest(mode) && mode != InterpolateMode::area; }

/// One dimension: its sizes, and the distance of neighbouring results in elements of x.
struct Axis {
  std::int64_t in, out;
  std::optional<double> factor;  // unset: the sizes decide

  double step() const { return factor ? 1 / *factor : static_cast<double>(in) / static_cast<double>(out); }
  /// 0, 1, .., out - 1
  Tensor results(DType dtype, Device device) const { return kernels::arange(out, dtype, device); }
};

// In f32, as PyTorch computes it: f64 would choose another neighbour at some places.
Tensor nearest(const Axis& axis, bool is_exact, Device device) {
  const auto step = static_cast<float>(axis.step());
  const Tensor i = axis.results(DType::f32, device);
  const Tensor at = kernels::mul(is_exact ? kernels::add(i, 0.5) : i, step);
  return kernels::minimum(kernels::cast(at, DType::i64), axis.in - 1);
}

/// Where the results lie among the elements. Some lie before the first element.
Tensor between(const Axis& axis, bool align_corners, Device device) {
  const Tensor i = axis.results(DType::f64, device);
  if (!align_corners) return kernels::sub(kernels::mul(kernels::add(i, 0.5), axis.step()), 0.5);
  const double step = axis.out > 1 ? static_cast<double>(axis.in - 1) / static_cast<double>(axis.out - 1) : 0;
  return kernels::mul(i, step);
}

/// A factor for each result along `dim` of x, in x's dtype.
Tensor as_factors(const Tensor& factors, const Tensor& x, int dim) {
  Shape column;
  column.resize(x.dim(), 1);
  column[dim] = factors.numel();
  return reshape(kernels::cast(factors, x.dtype()), column);
}

/// The weight of an element at the distance d of a result, for d from 0 to 1 and from 1 to 2 (Keys, "Cubic Convolution
/// Interpolation for Digital Image Processing", 1981).
Tensor cubic_near(const Tensor& d) {
  constexpr double a = -0.75;
  return kernels::add(kernels::mul(kernels::sub(kernels::mul(d, a + 2), a + 3), kernels::square(d)), 1);
}
Tensor cubic_far(const Tensor& d) {
  constexpr double a = -0.75;
  const Tensor inner = kernels::add(kernels::mul(kernels::sub(d, 5), d), 8);  // a (d^3 - 5 d^2 + 8 d - 4)
  return kernels::mul(kernels::sub(kernels::mul(inner, d), 4), a);
}

/// The four neighbours of each result; beyond the border the last element counts again.
Tensor cubic(const Tensor& x, int dim, const Axis& axis, const Tensor& at) {
  const Tensor left = kernels::floor(at), share = kernels::sub(at, left), rest = kernels::sub(1, share);
  const Tensor weights[] = {cubic_far(kernels::add(share, 1)), cubic_near(share), cubic_near(rest),
                            cubic_far(kernels::add(rest, 1))};
  Tensor y;
  for (int i = 0; i < 4; ++i) {
    const Tensor place =
        kernels::clamp(kernels::add(kernels::cast(left, DType::i64), i - 1), 0, static_cast<double>(axis.in - 1));
    const Tensor part = index_select(x, dim, place) * as_factors(weights[i], x, dim);
    y = i == 0 ? part : y + part;
  }
  return y;
}

Tensor along(const Tensor& x, int dim, const Axis& axis, const InterpolateOptions& options) {
  if (is_nearest(options.mode))
    return index_select(x, dim, nearest(axis, options.mode == InterpolateMode::nearest_exact, x.device()));
  const Tensor at = between(axis, options.align_corners, x.device());
  if (options.mode == InterpolateMode::bicubic) return cubic(x, dim, axis, at);
  const Tensor inside = kernels::maximum(at, 0.0);
  const Tensor first = kernels::minimum(kernels::cast(inside, DType::i64), axis.in - 1);
  const Tensor second = kernels::minimum(kernels::add(first, 1), axis.in - 1);
  const Tensor share = as_factors(kernels::clamp(kernels::sub(inside, first), 0, 1), x, dim);
  return index_select(x, dim, first) * (1 - share) + index_select(x, dim, second) * share;
}

/// Without a step, a result is the element of its number. PyTorch leaves a dimension of unchanged size alone in linear
/// modes, whatever the factor.
bool changes(const Axis& axis, InterpolateMode mode) {
  const bool is_linear = is_between(mode) && mode != InterpolateMode::bicubic;
  return axis.in != axis.out || (axis.factor && !is_linear);
}

std::vector<Axis> axes_of(const Tensor& x, const InterpolateOptions& options) {
  const auto count = static_cast<std::size_t>(x.dim() - 2);
  if (options.size.empty() == options.scale_factor.empty())
    throw ConfigError(expected("interpolate") + "either size or scale_factor, got " +
                      (options.size.empty() ? "neither" : "both"));
  const std::size_t given = options.size.size() + options.scale_factor.size();
  if (given != count && given != 1) {
    throw ConfigError(expected("interpolate") + std::to_string(count) + " sizes or factors, got " +
                      std::to_string(given));
  }
  std::vector<Axis> axes;
  for (std::size_t d = 0; d < count; ++d) {
    Axis axis{x.size(static_cast<std::int64_t>(d) + 2), 0, std::nullopt};
    if (!options.size.empty()) {
      axis.out = options.size[given == 1 ? 0 : d];
    } else {
      const double factor = options.scale_factor[given == 1 ? 0 : d];
      const double out = std::floor(static_cast<double>(axis.in) * factor);
      if (!(factor > 0) || !(out < static_cast<double>(kMaxElements)))
        throw ConfigError(expected("interpolate") + "a factor above 0 that gives fewer than 2^59 elements, got " +
                          shortest(factor));
      axis.out = static_cast<std::int64_t>(out);
      if (!options.recompute_scale_factor) axis.factor = factor;
    }
    if (axis.in < 1 || axis.out < 1) {
      throw ShapeError(expected("interpolate") + "sizes of at least 1, got " + x.describe() + " to " +
                       std::to_string(axis.out) + " along dimension " + std::to_string(d + 2));
    }
    axes.push_back(axis);
  }
  return axes;
}

void check_rank(const Tensor& x, InterpolateMode mode) {
  const int spatial = x.dim() - 2;
  const int wanted = mode == InterpolateMode::linear ? 1 : mode == InterpolateMode::trilinear ? 3 : 2;
  if (is_between(mode) ? spatial == wanted : spatial >= 1 && spatial <= 3) return;
  throw ShapeError(expected("interpolate") + "(N, C, ..) with " +
                   (is_between(mode) ? std::to_string(wanted) : std::string("1 to 3")) +
                   " spatial dimensions for this mode, got " + x.describe());
}

}  // namespace

Tensor interpolate(const Tensor& x, const InterpolateOptions& options) {
  if (autograd::any_half(x)) return autograd::rounded_like(interpolate(autograd::in_f32(x), options), x);
  kernels::expect_floating("interpolate", x);
  check_rank(x, options.mode);
  if (options.align_corners && !is_between(options.mode)) {
    const std::string got = options.mode == InterpolateMode::area ? "area" : "a nearest mode";
    throw ConfigError(expected("interpolate") + "align_corners with a linear or cubic mode, got " + got);
  }
  const std::vector<Axis> axes = axes_of(x, options);
  if (options.mode == InterpolateMode::area) {
    std::vector<std::int64_t> sizes;
    for (const Axis& axis : axes) sizes.push_back(axis.out);
    return adaptive_avg_pool(x, sizes);
  }
  Tensor y = x;
  int dim = 2;
  for (const Axis& axis : axes) {
    if (changes(axis, options.mode)) y = along(y, dim, axis, options);
    ++dim;
  }
  return y;
}

}  // namespace hop
