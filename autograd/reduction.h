// What a loss does with the losses of its elements.
#pragma once

#include <cstdint>

namespace hop {

/// The `reduction` of PyTorch's losses. `none` leaves the losses as they are. `batchmean`, the sum divided by the size
/// of the first dimension, belongs to kl_div(): other losses throw ConfigError.
enum class Reduction : std::uint8_t { none, mean, sum, batchmean };

}  // namespace hop
