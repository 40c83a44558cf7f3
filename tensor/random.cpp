#include "tensor/random.h"

#include <cmath>
#include <numbers>

#include "base/error.h"

namespace hop {

std::uint32_t PhiloxStream::below(std::uint32_t bound) {
  if (bound == 0) throw ConfigError("[below] expected a bound of at least 1, got 0");
  const std::uint32_t threshold = (0U - bound) % bound;
  while (true) {
    const std::uint64_t product = std::uint64_t{next()} * bound;
    if (static_cast<std::uint32_t>(product) >= threshold) return static_cast<std::uint32_t>(product >> 32);
  }
}

double PhiloxStream::normal() {
  const double u = (next() + 0.5) * 0x1p-32;  // in (0, 1): the logarithm is finite
  const double v = (next() + 0.5) * 0x1p-32;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

}  // namespace hop
