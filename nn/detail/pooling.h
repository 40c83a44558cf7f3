// What the pooling layers of 1, 2 and 3 dimensions have in common.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "autograd/pool_nd.h"
#include "nn/detail/layer.h"
#include "nn/detail/text.h"

namespace hop::nn::detail {

/// ConfigError for options of averages.
inline void check_max_mode(const char* op, const PoolMode& mode) {
  if (mode.count_include_pad && !mode.divisor_override) return;
  throw ConfigError("[" + std::string(op) + "] expected " + kernels::kNoOptionsOfAverages);
}

/// ConfigError for a dilation, which only maxima have, and for a divisor of 0.
inline void check_average(const char* op, bool has_dilation_of_one, const std::optional<std::int64_t>& divisor) {
  if (!has_dilation_of_one) throw ConfigError("[" + std::string(op) + "] expected " + kernels::kNoDilation);
  if (divisor == 0) throw ConfigError("[" + std::string(op) + "] expected " + kernels::kDivisorOtherThanZero);
}

/// ConfigError for a size below 1 that is not kKeepSize.
inline void check_adaptive(const char* op, const char* name, std::int64_t size) {
  if (size != kKeepSize) check_positive(op, {{name, size}});
}

/// ", ceil_mode=True, count_include_pad=False, divisor_override=3", without what has its default.
inline std::string mode_text(const PoolMode& mode) {
  std::string text;
  if (mode.ceil_mode) text += ", ceil_mode=True";
  if (!mode.count_include_pad) text += ", count_include_pad=False";
  if (mode.divisor_override) text += ", divisor_override=" + std::to_string(*mode.divisor_override);
  return text;
}

/// "(None, 7)"
template <class Sizes>
std::string adaptive_text(const Sizes& sizes) {
  const auto one = [](std::int64_t size) { return size == kKeepSize ? "None" : std::to_string(size); };
  if (sizes.size() == 1) return one(*sizes.begin());
  std::string text;
  for (const std::int64_t size : sizes) text += (text.empty() ? "(" : ", ") + one(size);
  return text + ")";
}

}  // namespace hop::nn::detail
