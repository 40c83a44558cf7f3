#include "hopper/strategy/group_hopping.h"

#include <algorithm>

#include "base/error.h"

namespace hop::hopper {

GroupHopping::GroupHopping(std::uint32_t group) : group_(group) {
  if (group == 0) throw ConfigError("[run] group: expected at least 1, got 0");
}

Spread GroupHopping::blocks(const Spread& spread) const {
  return {(spread.partitions - 1) / group_ + 1, spread.workers};
}

PartitionId GroupHopping::begin(const Spread& spread, ModelId model, std::uint32_t place) const {
  const Spread of_blocks = blocks(spread);
  return PartitionId(of_blocks.after(of_blocks.start(model), place).value * group_);
}

std::vector<PartitionId> GroupHopping::passes(const Spread& spread, PartitionId first) const {
  std::vector<PartitionId> block;
  for (std::uint32_t i = 0; i < std::min(group_, spread.partitions - first.value); ++i) {
    block.emplace_back(first.value + i);
  }
  return block;
}

std::vector<WorkerId> GroupHopping::members(const Spread& spread, PartitionId first) const {
  std::vector<WorkerId> owners;
  for (const PartitionId id : passes(spread, first)) {
    const WorkerId owner = spread.owner(id);
    if (owners.empty() || owners.back() != owner) owners.push_back(owner);
  }
  if (owners.size() == 1) owners.clear();  // this worker trains the unit alone
  return owners;
}

void GroupHopping::check(Order order, std::string_view) const {
  if (order == Order::Fixed) return;
  throw ConfigError("[run] order: expected \"fixed\" with group = " + std::to_string(group_) +
                    ", got \"free\": units of several partitions go round in their order");
}

std::uint64_t GroupHopping::predicted_bytes(const Spread& spread, std::uint64_t shared) const {
  std::uint64_t receivers = 0;  // of all units of an epoch
  const std::uint32_t units = units_per_epoch(spread);
  for (std::uint32_t unit = 0; unit < units; ++unit) {
    const std::size_t group = members(spread, PartitionId(unit * group_)).size();
    receivers += group == 0 ? 0 : group - 1;
  }
  return 2 * shared * receivers / units;
}

std::uint32_t group_of(const Strategy& strategy) {
  const auto* groups = dynamic_cast<const GroupHopping*>(&strategy);
  return groups == nullptr ? 1 : groups->group();
}

}  // namespace hop::hopper
