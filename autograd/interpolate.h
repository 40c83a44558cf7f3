// Images, rows and volumes in other sizes, differentiable.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace hop {

/// nearest: the element at floor(i in / out). nearest_exact: at floor((i + 1/2) in / out). linear, bilinear, trilinear:
/// between the neighbours along one, two, three dimensions. bicubic: a cubic through the four neighbours along each of
/// two dimensions (Keys 1981, a = -0.75), which may leave the range of x. area: the mean of the elements that a result
/// covers, adaptive_avg_pool().
enum class InterpolateMode : std::uint8_t { nearest, nearest_exact, linear, bilinear, trilinear, bicubic, area };

struct InterpolateOptions {
  std::vector<std::int64_t> size = {};    ///< one number, or one per spatial dimension; or
  std::vector<double> scale_factor = {};  ///< the same of factors: out = floor(in factor)
  InterpolateMode mode = InterpolateMode::nearest;
  bool align_corners = false;  ///< linear and cubic modes: the first and the last element stay where they are
  /// With scale_factor: whether positions are computed from the sizes instead of the factor, which differs where in
  /// factor is no whole number. (There, in the mode nearest, PyTorch's choice for images depends on their layout.)
  bool recompute_scale_factor = false;
};

/// torch.nn.functional.interpolate: x (N, C, spatial..) -> (N, C, new sizes). 1 to 3 spatial dimensions for the nearest
/// modes and area, 1 for linear, 2 for bilinear and bicubic, 3 for trilinear. x is floating (DtypeError). Not there:
/// antialias. Cost: one gather per dimension, two for linear modes, four for bicubic. Throws ShapeError for another
/// rank and sizes without elements; ConfigError unless exactly one of size and scale_factor is given, for every spatial
/// dimension, above 0, and for align_corners with a nearest mode or area.
Tensor interpolate(const Tensor& x, const InterpolateOptions& options);

}  // namespace hop
