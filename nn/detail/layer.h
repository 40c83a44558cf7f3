// Helpers of the layers' sources.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "base/error.h"
#include "kernels/copy.h"
#include "tensor/tensor.h"

namespace hop::nn::detail {

/// A weight before its initialisation: NaN, so that a forgotten initialisation shows in the first loss. Throws
/// ConfigError beyond the thread's WeightBudget (nn/detail/weight_budget.h).
Tensor fresh_weight(const Shape& shape, DType dtype);
/// The same, with `value` in place of NaN: a parameter or buffer of a layer that works before its initialisation.
Tensor filled_weight(const Shape& shape, double value, DType dtype);

/// Throws ConfigError naming `op` and the first size that is below 1.
inline void check_positive(const char* op, std::initializer_list<std::pair<const char*, std::int64_t>> sizes) {
  for (const auto& [name, size] : sizes) {
    if (size < 1) {
      throw ConfigError("[" + std::string(op) + "] expected " + name + " of at least 1, got " + std::to_string(size));
    }
  }
}

/// ConfigError unless `layers` is from 1 to 65536: each layer takes memory before anything runs.
inline void check_layers(const char* op, std::int64_t layers) {
  constexpr std::int64_t kMost = 65536;
  if (layers >= 1 && layers <= kMost) return;
  throw ConfigError("[" + std::string(op) + "] expected num_layers from 1 to " + std::to_string(kMost) + ", got " +
                    std::to_string(layers));
}

}  // namespace hop::nn::detail
