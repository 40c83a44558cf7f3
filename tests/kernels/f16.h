// f16 for tests, written from its definition (5 bits of exponent, 10 of mantissa), not from the bits of an f32 as the
// kernels do it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/copy.h"
#include "tensor/tensor.h"

namespace hop::testing {

inline double from_f16(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1F, mantissa = bits & 0x3FF;
  const double sign = (bits >> 15) != 0 ? -1 : 1;
  if (exponent == 0x1F) return mantissa != 0 ? NAN : sign * std::numeric_limits<double>::infinity();
  return sign * (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25));
}

/// The f16 nearest to x, of two equally near the one with an even mantissa; as bits. Any quiet NaN for NaN.
inline std::uint16_t to_f16(double x) {
  const auto sign = static_cast<std::uint16_t>(std::signbit(x) ? 0x8000 : 0);
  if (std::isnan(x)) return 0x7E00;
  const double size = std::fabs(x);
  const int step = std::max(size == 0 ? -14 : std::ilogb(size), -14) - 10;  // of the last bit
  const double units = std::nearbyint(std::ldexp(size, -step));             // the default rounding: ties to even
  if (std::isinf(size) || std::ldexp(units, step) >= 65536) return sign | 0x7C00;
  // In units of the last bit, the bits of a number are its mantissa plus 1024 for each exponent above the smallest.
  return static_cast<std::uint16_t>(sign | static_cast<std::uint16_t>(units + 1024.0 * (step + 24)));
}

/// x, rounded to f16 and back.
inline double rounded_to_f16(double x) { return from_f16(to_f16(x)); }
inline Tensor rounded_to_f16(const Tensor& x) {
  const Tensor y = kernels::clone(x);
  visit_dtype(y.dtype(), [&]<class T>(T) {
    for (std::int64_t i = 0; i < y.numel(); ++i)
      y.data<T>()[i] = static_cast<T>(rounded_to_f16(static_cast<double>(y.data<T>()[i])));
  });
  return y;
}

}  // namespace hop::testing
