#include "hopper/strategy/whole_epochs.h"

#include <limits>

#include "base/error.h"
#include "hopper/schedule/policies.h"

namespace hop::hopper {
namespace {

std::string policies_without_owners() {
  std::string names;
  for (const PolicyRow& row : policies()) {
    if (!row.needs_owners) names += (names.empty() ? "\"" : " or \"") + std::string(row.name) + '"';
  }
  return names;
}

}  // namespace

std::vector<PartitionId> WholeEpochs::passes(const Spread& spread, PartitionId first) const {
  std::vector<PartitionId> all;
  for (std::uint32_t i = 0; i < spread.partitions; ++i) all.push_back(spread.after(first, i));
  return all;
}

std::uint32_t WholeEpochs::most_workers(std::uint32_t) const { return std::numeric_limits<std::uint32_t>::max(); }

void WholeEpochs::check(Order order, std::string_view policy) const {
  const std::string with = " with strategy = \"" + name_ + "\", got \"";
  if (order == Order::Free) {
    throw ConfigError("[run] order: expected \"fixed\"" + with +
                      "free\": a unit is a whole epoch, so no partition is left to choose");
  }
  if (!policy.empty() && find_policy(policy).needs_owners) {
    throw ConfigError("[run] policy: expected " + policies_without_owners() + with + std::string(policy) +
                      "\", which sends models to the owners of partitions: a unit is a whole epoch");
  }
}

}  // namespace hop::hopper
