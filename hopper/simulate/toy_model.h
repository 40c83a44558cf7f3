// A model whose weights are a hash chain: a visit that is lost, doubled or out of order changes the result.
#pragma once

#include "base/hash.h"
#include "base/ids.h"

namespace hop::hopper::simulate {

inline constexpr std::uint64_t kStateBytes = 1000;

/// The digest after one unit: H(parent, model, epoch, partition). The parent of unit 0 is the zero digest.
inline Digest train_toy(const Digest& parent, ModelId model, Epoch epoch, PartitionId partition) {
  const std::uint64_t low = hash64(parent.low, "toy", {parent.high, model.value, epoch.value, partition.value});
  return {low, hash64(low, "toy", {parent.low, parent.high})};
}

}  // namespace hop::hopper::simulate
