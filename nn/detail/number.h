// Checks of numeric options.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <string_view>

#include "base/error.h"
#include "kernels/update_rules.h"
#include "nn/detail/text.h"

namespace hop::nn::detail {

using kernels::rules::Range;

/// Throws ConfigError `[where] expected name ..` unless `value` is finite and in `range`.
inline void check_range(std::string_view where, std::string_view name, double value, Range range) {
  if (std::isfinite(value) && value >= range.min && value < range.below) return;
  std::string text = "[" + std::string(where) + "] expected ";
  if (std::isfinite(range.min))
    text += std::string(name) + " of at least " + shortest(range.min);
  else
    text += "a finite " + std::string(name);
  if (std::isfinite(range.below)) text += " and below " + shortest(range.below);
  throw ConfigError(text + ", got " + shortest(value));
}

}  // namespace hop::nn::detail
