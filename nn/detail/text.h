// Text helpers of this floor.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/words.h"
#include "nn/options.h"
#include "tensor/shape.h"

namespace hop::nn::detail {

inline std::string flag_text(bool flag) { return flag ? "True" : "False"; }

/// "(5, 5)"
inline std::string pair_text(std::span<const std::int64_t, 2> pair) {
  return "(" + std::to_string(pair[0]) + ", " + std::to_string(pair[1]) + ")";
}

/// "(5, 5, 5)"
template <class Sizes>
std::string tuple_text(const Sizes& sizes) {
  std::string text;
  for (const std::int64_t size : sizes) text += (text.empty() ? "(" : ", ") + std::to_string(size);
  return text + ")";
}

}  // namespace hop::nn::detail
