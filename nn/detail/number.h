// Checks of numeric options.
#pragma once

#include <limits>
#include <string>

#include "base/error.h"
#include "nn/detail/text.h"

namespace hop::nn::detail {

/// min <= value, and value < below. NaN and infinities are never inside.
struct Range {
  double min = 0;
  double below = std::numeric_limits<double>::infinity();
};

inline void check_range(const char* op, const char* name, double value, Range range) {
  if (value >= range.min && value < range.below) return;
  std::string text = "[" + std::string(op) + "] expected " + name + " of at least " + shortest(range.min);
  if (range.below < std::numeric_limits<double>::infinity()) text += " and below " + shortest(range.below);
  throw ConfigError(text + ", got " + shortest(value));
}

}  // namespace hop::nn::detail
