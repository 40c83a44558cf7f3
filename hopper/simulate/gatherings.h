// The groups of a simulated cluster.
#pragma once

#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "hopper/simulate/world.h"

namespace hop::hopper::simulate {

/// Members of a group begin their unit one by one. When all have begun they train, as long as the slowest one does, and
/// end together. If one dies or its part fails, all others lose the unit. Seldom one loses it that the others have
/// done.
class Gatherings {
 public:
  /// `end`: how a member hears of the end.
  using End = std::function<void(WorkerId, Attempt, GroupEnd)>;

  Gatherings(World& world, End end) : world_(world), end_(std::move(end)) {}

  void gather(WorkerId worker, const Lease& lease);
  void scatter(Attempt attempt);

 private:
  void complete(Attempt attempt, const Lease& lease);

  World& world_;
  End end_;
  std::map<Attempt, std::vector<WorkerId>> here_;  // the members that have begun
};

}  // namespace hop::hopper::simulate
