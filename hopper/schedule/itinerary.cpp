#include "hopper/schedule/itinerary.h"

#include <algorithm>
#include <limits>
#include <string>

#include "base/error.h"

namespace hop::hopper {
namespace {

// An application may bring a strategy of its own.
void check_groups(const Itinerary& of) {
  for (const PartitionId first : of.choices()) {
    const std::vector<WorkerId> group = of.members(first);
    if (group.empty()) continue;
    const std::string who = "[run] strategy: expected of the group for partition " + std::to_string(first.value);
    const std::optional<WorkerId> lead = of.only_worker(first);
    if (lead != group.front()) {
      throw ConfigError(who + " that only_worker() is its first member, worker " + std::to_string(group.front().value) +
                        ", got " + (lead ? "worker " + std::to_string(lead->value) : "any worker"));
    }
    for (const PartitionId id : of.passes(first)) {
      const auto holders = std::ranges::count_if(group, [&](WorkerId member) { return of.holds(member, id); });
      if (holders == 1) continue;
      throw ConfigError(who + " that one member holds partition " + std::to_string(id.value) + ", got " +
                        std::to_string(holders));
    }
  }
}

void check_holders(const Itinerary& of) {
  for (std::uint32_t q = 0; q < of.partitions; ++q) {
    try {
      static_cast<void>(of.holder(PartitionId(q)));
    } catch (const StateError&) {
      throw ConfigError("[run] strategy: expected a worker that holds partition " + std::to_string(q) + ", got none");
    }
  }
}

}  // namespace

void Itinerary::check() const {
  if (partitions < 1) throw ConfigError("[itinerary] expected partitions >= 1, got 0");
  const std::uint32_t most = strategy->most_workers(partitions);
  if (workers < 1 || workers > most) {
    throw ConfigError("[itinerary] expected 1 <= workers" + (most == partitions ? " <= partitions" : std::string()) +
                      ", got workers = " + std::to_string(workers) + " (partitions = " + std::to_string(partitions) +
                      ")");
  }
  if (strategy->replicas() == Replicas::None && !members(partition(ModelId{0}, Unit{0})).empty()) {
    throw ConfigError(
        "[run] strategy: expected a group of workers only for replicas that share gradients or weights, got one for "
        "another strategy");
  }
  check_groups(*this);
  check_holders(*this);
  if (epochs < 1) throw ConfigError("[itinerary] expected epochs >= 1, got 0");
  constexpr std::uint64_t kMostUnits = std::numeric_limits<std::uint32_t>::max();
  if (std::uint64_t{epochs} * partitions > kMostUnits) {
    throw ConfigError("[itinerary] expected fewer than 2^32 units (epochs x partitions) per model, got " +
                      std::to_string(epochs) + " x " + std::to_string(partitions));
  }
}

PartitionId Itinerary::partition(ModelId model, Unit unit) const {
  return strategy->begin(spread(), model, unit.value % units_per_epoch());
}

std::vector<std::uint32_t> Itinerary::owners(PartitionId first) const {
  const std::vector<WorkerId> group = members(first);
  std::vector<std::uint32_t> ranks;
  if (group.empty()) return ranks;
  for (const PartitionId id : passes(first)) {
    const auto owner = std::ranges::find_if(group, [&](WorkerId member) { return holds(member, id); });
    if (owner == group.end()) {
      throw StateError("[group] expected a member that holds partition " + std::to_string(id.value) + ", got " +
                       std::to_string(group.size()) + " members without it");
    }
    ranks.push_back(static_cast<std::uint32_t>(owner - group.begin()));
  }
  return ranks;
}

WorkerId Itinerary::holder(PartitionId partition) const {
  const WorkerId usual = spread().owner(partition);
  if (holds(usual, partition)) return usual;
  for (std::uint32_t w = 0; w < workers; ++w) {
    if (holds(WorkerId(w), partition)) return WorkerId(w);
  }
  throw StateError("[rows] expected a worker whose node holds partition " + std::to_string(partition.value) +
                   ", got none");
}

bool Itinerary::is_only_holder(WorkerId worker, PartitionId partition) const {
  if (!holds(worker, partition)) return false;
  for (std::uint32_t w = 0; w < workers; ++w) {
    if (WorkerId(w) != worker && holds(WorkerId(w), partition)) return false;
  }
  return true;
}

std::vector<PartitionId> Itinerary::choices() const {
  std::vector<PartitionId> all;
  const std::uint32_t units = units_per_epoch();
  all.reserve(units);
  for (std::uint32_t place = 0; place < units; ++place) all.push_back(strategy->begin(spread(), ModelId{0}, place));
  if (!std::is_sorted(all.begin(), all.end())) std::sort(all.begin(), all.end());
  return all;
}

}  // namespace hop::hopper
