// What the convolutions of 1, 2 and 3 dimensions and their transposes have in common.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "nn/detail/layer.h"
#include "nn/init.h"
#include "nn/parameter.h"

namespace hop::nn::detail {

/// Throws ConfigError for numbers below 1 and for channels that groups do not divide.
inline void check_channels(const char* op, std::int64_t in_channels, std::int64_t out_channels, std::int64_t groups) {
  check_positive(op, {{"in_channels", in_channels}, {"out_channels", out_channels}, {"groups", groups}});
  if (in_channels % groups == 0 && out_channels % groups == 0) return;
  throw ConfigError("[" + std::string(op) + "] expected channels divisible by groups, got " +
                    std::to_string(in_channels) + " and " + std::to_string(out_channels) + " for " +
                    std::to_string(groups) + " groups");
}

/// Throws ConfigError for kSame with another stride than 1.
inline void check_same(const char* op, bool has_stride_of_one) {
  if (has_stride_of_one) return;
  throw ConfigError("[" + std::string(op) + "] expected a stride of 1 with padding = kSame, got another");
}

/// As PyTorch's, which takes the fans of a transposed weight as those of any weight: Kaiming uniform with a = sqrt 5;
/// the bias uniform in +-1 / sqrt(fan_in).
inline void reset_convolution(const Parameter& weight, const Parameter& bias, const ParameterKeys& keys) {
  init::kaiming_uniform_(weight, keys["weight"], {.a = std::sqrt(5.0)});
  if (!bias.defined()) return;
  const double bound = 1 / std::sqrt(static_cast<double>(weight.numel() / weight.size(0)));
  init::uniform_(bias, keys["bias"], -bound, bound);
}

}  // namespace hop::nn::detail
