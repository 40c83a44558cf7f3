// The strategy "hopping": the data stays, and the models travel.
#pragma once

#include <memory>

#include "hopper/strategy/strategy.h"

namespace hop::hopper {

/// Model hopper parallelism. A unit is one pass over one partition, leased to the worker that owns the partition. After
/// p units the model has seen the whole epoch, in plain sequential order: nothing is averaged, and no gradient travels.
/// Each model goes round the partitions by +1, so it crosses the network W times an epoch, not p times. (Kumar et al.,
/// DEEM 2019; Nakandala et al., VLDB 2020.)
class Hopping final : public Strategy {
 public:
  std::uint32_t units_per_epoch(const Spread& spread) const override { return spread.partitions; }
  PartitionId begin(const Spread& spread, ModelId model, std::uint32_t place) const override {
    return spread.after(spread.start(model), place);
  }
  std::vector<PartitionId> passes(const Spread&, PartitionId first) const override { return {first}; }
  std::optional<WorkerId> only_worker(const Spread& spread, PartitionId first) const override {
    return spread.owner(first);
  }
  bool holds(const Spread& spread, WorkerId worker, PartitionId partition) const override {
    return spread.owner(partition) == worker;
  }
  std::uint32_t most_workers(std::uint32_t partitions) const override { return partitions; }
};

/// The one object.
std::shared_ptr<const Strategy> hopping();

}  // namespace hop::hopper
