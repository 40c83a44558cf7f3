// bf16 on the host, for tests: written from its definition (8 bits of exponent, 7 of mantissa), not from the bits of an
// f32 as the kernels do it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/cuda/copy_internal.h"
#include "kernels/layout_internal.h"
#include "tensor/backend.h"
#include "tests/kernels/layouts.h"

namespace hop::testing {

inline double from_bf16(std::uint16_t bits) {
  const int exponent = bits >> 7 & 0xFF, mantissa = bits & 0x7F;
  const double sign = (bits >> 15) != 0 ? -1 : 1;
  if (exponent == 0xFF) return mantissa != 0 ? NAN : sign * std::numeric_limits<double>::infinity();
  return sign * (exponent == 0 ? std::ldexp(mantissa, -133) : std::ldexp(128 + mantissa, exponent - 134));
}

/// The bf16 nearest to x, of two equally near the one with an even mantissa; as bits. Any quiet NaN for NaN.
inline std::uint16_t to_bf16(double x) {
  const auto sign = static_cast<std::uint16_t>(std::signbit(x) ? 0x8000 : 0);
  if (std::isnan(x)) return 0x7FC0;
  const double size = std::fabs(x);
  const int step = std::max(size == 0 ? -126 : std::ilogb(size), -126) - 7;  // of the last bit
  const double units = std::nearbyint(std::ldexp(size, -step));              // the default rounding: ties to even
  if (std::isinf(size) || std::ldexp(units, step) >= std::ldexp(1.0, 128)) return sign | 0x7F80;
  // In units of the last bit, the bits of a number are its mantissa plus 128 for each exponent above the smallest.
  return static_cast<std::uint16_t>(sign | static_cast<std::uint16_t>(units + 128.0 * (step + 133)));
}

/// The values of n bf16 at `data` on the device.
inline std::vector<std::uint16_t> fetch_bf16(const void* data, std::int64_t n) {
  std::vector<std::uint16_t> bits(static_cast<std::size_t>(n));
  backend(Device::cuda())
      .copy(reinterpret_cast<std::byte*>(bits.data()), static_cast<const std::byte*>(data), bits.size() * 2);
  return bits;
}

}  // namespace hop::testing
