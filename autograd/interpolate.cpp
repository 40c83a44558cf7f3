#include "autograd/interpolate.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "autograd/composed_internal.h"
#include "autograd/copy.h"
#include "autograd/index.h"
#include "autograd/view.h"
#include "kernels/copy.h"

namespace hop {

using autograd::expected;

namespace {

bool is_nearest(InterpolateMode mode) {
  return mode == InterpolateMode::nearest || mode == InterpolateMode::nearest_exact;
}

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

Tensor between(const Axis& axis, bool align_corners, Device device) {
  const Tensor i = axis.results(DType::f64, device);
  if (!align_corners) return kernels::maximum(kernels::sub(kernels::mul(kernels::add(i, 0.5), axis.step()), 0.5), 0.0);
  const double step = axis.out > 1 ? static_cast<double>(axis.in - 1) / static_cast<double>(axis.out - 1) : 0;
  return kernels::mul(i, step);
}

Tensor along(const Tensor& x, int dim, const Axis& axis, const InterpolateOptions& options) {
  if (is_nearest(options.mode))
    return index_select(x, dim, nearest(axis, options.mode == InterpolateMode::nearest_exact, x.device()));
  const Tensor at = between(axis, options.align_corners, x.device());
  const Tensor first = kernels::minimum(kernels::cast(at, DType::i64), axis.in - 1);
  const Tensor second = kernels::minimum(kernels::add(first, 1), axis.in - 1);
  Shape column;
  column.resize(x.dim(), 1);
  column[dim] = axis.out;
  const Tensor share = reshape(kernels::cast(kernels::clamp(kernels::sub(at, first), 0, 1), x.dtype()), column);
  return index_select(x, dim, first) * (1 - share) + index_select(x, dim, second) * share;
}

std::vector<Axis> axes_of(const Tensor& x, const InterpolateOptions& options) {
  const auto count = static_cast<std::size_t>(x.dim() - 2);
  if (options.size.empty() == options.scale_factor.empty())
    throw ConfigError(expected("interpolate") + "either size or scale_factor, got " +
                      (options.size.empty() ? "neither" : "both"));
  const std::size_t given = options.size.size() + options.scale_factor.size();
  if (given != count && !(given == 1 && options.size.empty())) {
    throw ConfigError(expected("interpolate") + std::to_string(count) + " sizes or factors, got " +
                      std::to_string(given));
  }
  std::vector<Axis> axes;
  for (std::size_t d = 0; d < count; ++d) {
    Axis axis{x.size(static_cast<std::int64_t>(d) + 2), 0, std::nullopt};
    if (!options.size.empty()) {
      axis.out = options.size[d];
    } else {
      const double factor = options.scale_factor[given == 1 ? 0 : d];
      const double out = std::floor(static_cast<double>(axis.in) * factor);
      if (!(factor > 0) || !(out < static_cast<double>(kMaxElements)))
        throw ConfigError(expected("interpolate") + "a factor above 0, got " + std::to_string(factor));
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
  const int wanted = static_cast<int>(mode) - static_cast<int>(InterpolateMode::linear) + 1;
  if (is_nearest(mode) ? spatial >= 1 && spatial <= 3 : spatial == wanted) return;
  throw ShapeError(expected("interpolate") + "(N, C, ..) with " +
                   (is_nearest(mode) ? std::string("1 to 3") : std::to_string(wanted)) +
                   " spatial dimensions for this mode, got " + x.describe());
}

}  // namespace

Tensor interpolate(const Tensor& x, const InterpolateOptions& options) {
  kernels::expect_floating("interpolate", x);
  check_rank(x, options.mode);
  if (options.align_corners && is_nearest(options.mode))
    throw ConfigError(expected("interpolate") + "align_corners with a linear mode, got a nearest mode");
  Tensor y = x;
  int dim = 2;
  for (const Axis& axis : axes_of(x, options)) {
    const bool is_same = axis.in == axis.out && (!is_nearest(options.mode) || !axis.factor);
    if (!is_same) y = along(y, dim, axis, options);
    ++dim;
  }
  return y;
}

}  // namespace hop
