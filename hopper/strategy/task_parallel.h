// The strategy "task_parallel": every node has all the data, and the models stay.
#pragma once

#include <memory>

#include "hopper/strategy/strategy.h"

namespace hop::hopper {

/// Task parallelism, as Celery, Ray Tune and Optuna do it. A unit is a whole epoch, leased to any worker. The model
/// passes over the partitions in the order in which it would hop over them, so its state after each epoch has the bits
/// that hopping gives. Each node holds the whole data set: W times the memory and the storage of hopping.
class TaskParallel final : public Strategy {
 public:
  std::uint32_t units_per_epoch(const Spread&) const override { return 1; }
  PartitionId begin(const Spread& spread, ModelId model, std::uint32_t) const override { return spread.start(model); }
  std::vector<PartitionId> passes(const Spread& spread, PartitionId first) const override;
  std::optional<WorkerId> only_worker(const Spread&, PartitionId) const override { return std::nullopt; }
  bool holds(const Spread&, WorkerId, PartitionId) const override { return true; }
  std::uint32_t most_workers(std::uint32_t partitions) const override;
  std::string_view default_policy(Order) const override { return "queue"; }
  /// Throws for `Free` order, because a unit leaves no partition to choose, and for policies that need owners.
  void check(Order order, std::string_view policy) const override;
};

/// The one object.
std::shared_ptr<const Strategy> task_parallel();

}  // namespace hop::hopper
