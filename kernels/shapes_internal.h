// Plain data that describes work to every device. No tensor and no function, so that code built for one instruction set
// or by nvcc may include it.
#pragma once

#include <cstdint>

namespace hop::kernels {

enum class Reduction : std::uint8_t { sum, mean, max, min, var };

/// Windows of r x s values, `row_step` and `column_step` apart, over planes (h, w) with padding -> (p, q). h w < 2^31.
/// The last windows may reach beyond the padding. Every window has a value of the plane.
struct PoolShape {
  std::int64_t planes, h, w, p, q, r, s, row_step, column_step, row_padding, column_padding;
  std::int64_t row_dilation = 1, column_dilation = 1;  ///< distance between a window's values, of maxima
  /// What the sums of averages are divided by. 0: the number of values of each window that lie in the plane, and in its
  /// padding if counts_padding.
  std::int64_t divisor = 0;
  bool counts_padding = true;
};

/// Averages of larger windows add short sums in f64, because one long sum in f32 stands still at 2^24 ones. A new short
/// sum begins with each row of the window and after this many of its columns.
inline constexpr std::int64_t kShortSum = 256;

}  // namespace hop::kernels
