// The strategy "hopping" with groups: all-reduce inside a group of partitions, hops between groups.
#pragma once

#include "hopper/strategy/strategy.h"

namespace hop::hopper {

/// Neighbouring partitions are a block, of `group` partitions; the last block may have fewer. A unit is one pass over a
/// block: a replica of the model for each of its partitions, trained by their owners together, as allreduce does it.
/// Then the model hops to the next block. For fewer models than partitions, where hopping leaves workers without work:
/// p / group models keep all of them busy. One block of all partitions is allreduce.
///
/// The bits are a function of the experiment alone, for any number of workers, as those of hopping and allreduce are.
class GroupHopping final : public Strategy {
 public:
  /// Throws ConfigError for 0.
  explicit GroupHopping(std::uint32_t group);

  std::uint32_t group() const { return group_; }
  std::uint32_t units_per_epoch(const Spread& spread) const override { return blocks(spread).partitions; }
  PartitionId begin(const Spread& spread, ModelId model, std::uint32_t place) const override;
  std::vector<PartitionId> passes(const Spread& spread, PartitionId first) const override;
  Replicas replicas() const override { return Replicas::ShareGradients; }
  std::optional<WorkerId> only_worker(const Spread& spread, PartitionId first) const override {
    return spread.owner(first);
  }
  bool holds(const Spread& spread, WorkerId worker, PartitionId partition) const override {
    return spread.owner(partition) == worker;
  }
  std::vector<WorkerId> members(const Spread& spread, PartitionId first) const override;
  std::uint32_t most_workers(std::uint32_t partitions) const override { return partitions; }
  /// Throws for `Free` order.
  void check(Order order, std::string_view policy) const override;
  /// Of a unit as DataParallel, 2 (members - 1) times its part of `shared`; blocks share equally much.
  std::uint64_t predicted_bytes(const Spread& spread, std::uint64_t shared) const override;

 private:
  Spread blocks(const Spread& spread) const;

  std::uint32_t group_;
};

/// The partitions that train a model together by hopping in groups; 1 for other strategies.
std::uint32_t group_of(const Strategy& strategy);

}  // namespace hop::hopper
