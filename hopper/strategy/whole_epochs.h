// What strategies have in common that give a worker a whole epoch of a model.
#pragma once

#include <string>
#include <string_view>

#include "hopper/strategy/strategy.h"

namespace hop::hopper {

/// A unit is a whole epoch, leased to any worker. Every node holds the whole data set.
class WholeEpochs : public Strategy {
 public:
  std::uint32_t units_per_epoch(const Spread&) const override { return 1; }
  std::vector<PartitionId> passes(const Spread& spread, PartitionId first) const override;
  std::optional<WorkerId> only_worker(const Spread&, PartitionId) const override { return std::nullopt; }
  bool holds(const Spread&, WorkerId, PartitionId) const override { return true; }
  std::uint32_t most_workers(std::uint32_t partitions) const override;
  std::string_view default_policy(Order) const override { return "queue"; }
  /// Throws for `Free` order, because a unit leaves no partition to choose, and for policies that need owners.
  void check(Order order, std::string_view policy) const override;

 protected:
  /// `name`: in errors.
  explicit WholeEpochs(std::string_view name) : name_(name) {}

 private:
  std::string name_;
};

}  // namespace hop::hopper
