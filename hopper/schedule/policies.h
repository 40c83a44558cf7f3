// The policies that ship with Hopscotch: one table. The experiment file, its checks, the run, the simulator and
// docs/experiment-file.md are made from it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "hopper/name_or.h"
#include "hopper/schedule/itinerary.h"
#include "hopper/schedule/policy.h"

namespace hop::hopper {

/// Makes a policy. Called once per life of a coordinator, so a policy begins without a past.
using PolicyMaker = std::function<std::unique_ptr<Policy>()>;

struct PolicyRow {
  std::string_view name{};  ///< the value of `run.policy`
  std::unique_ptr<Policy> (*make)() = nullptr;
  bool needs_owners = false;  ///< it sends models to the owners of partitions
  std::string_view doc{};     ///< one line
};

/// All rows, in the order of the documentation.
std::span<const PolicyRow> policies();
/// The row of a name. Throws ConfigError that names the nearest one.
const PolicyRow& find_policy(std::string_view name);

/// The policy of an experiment; the strategy's default where it names none. Throws ConfigError for an unknown name, for
/// an object that is missing, and for a maker that gives null.
std::unique_ptr<Policy> make_policy(const NameOr<PolicyMaker>& policy, const Itinerary& itinerary);

}  // namespace hop::hopper
