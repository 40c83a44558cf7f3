// Text helpers of this floor.
#pragma once

#include <charconv>
#include <span>
#include <string>
#include <string_view>

#include "nn/options.h"
#include "tensor/shape.h"

namespace hop::nn::detail {

/// The shortest text that reads back to the same double: "0.1", "1e-05".
inline std::string number_text(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

inline std::string flag_text(bool flag) { return flag ? "True" : "False"; }

/// "(5, 5)"
inline std::string pair_text(std::span<const std::int64_t, 2> pair) {
  return "(" + std::to_string(pair[0]) + ", " + std::to_string(pair[1]) + ")";
}

/// The candidate with the smallest edit distance to `name`, or "" when more than half of it is wrong (two letters of a
/// short name may be).
std::string nearest(std::string_view name, std::span<const std::string_view> candidates);

/// " (did you mean \"relu\"?)", or "" when nothing is near.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace hop::nn::detail
