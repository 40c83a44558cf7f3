#include "hopper/simulate/gatherings.h"

#include <algorithm>
#include <chrono>
#include <optional>

namespace hop::hopper::simulate {
namespace {

// How long a member waits for the others to begin, beside the time in which all of them get the parent.
constexpr Time kPatience = std::chrono::seconds(30);

}  // namespace

void Gatherings::gather(WorkerId worker, const Lease& lease) {
  std::vector<WorkerId>& here = here_[lease.attempt];
  here.push_back(worker);
  if (here.size() == 1) {
    const Time fetches = world_.transfer_time(lease.model) * static_cast<std::int64_t>(lease.members.size());
    world_.after(kPatience + fetches, [this, lease] {
      const auto found = here_.find(lease.attempt);
      if (found != here_.end() && found->second.size() < lease.members.size()) scatter(lease.attempt);
    });
  }
  if (here.size() < lease.members.size()) return;
  Time longest{};
  for (const WorkerId member : lease.members) longest = std::max(longest, world_.unit_time(member, lease));
  world_.after(longest, [this, lease] { complete(lease.attempt, lease); });
}

void Gatherings::scatter(Attempt attempt) {
  const auto group = here_.extract(attempt);
  if (!group) return;
  for (const WorkerId member : group.mapped()) {  // they notice later
    world_.after({}, [this, member, attempt] { end_(member, attempt, GroupEnd::MemberLost); });
  }
}

void Gatherings::complete(Attempt attempt, const Lease& lease) {
  if (!here_.contains(attempt)) return;
  bool is_lost = false;
  for (const WorkerId member : lease.members) {
    is_lost = world_.dies(member, Moment::Training, lease.model, lease.unit) || is_lost;
  }
  if (is_lost) return;  // the end of its life has scattered the group
  std::optional<WorkerId> thrower;
  for (const WorkerId member : lease.members) {
    if (!thrower && world_.unit_fails(lease)) thrower = member;
  }
  here_.erase(attempt);
  // A connection may break in the last round: all are through but for one member, which is not the lead.
  const bool breaks_late = !thrower && world_.unit_fails(lease);
  for (const WorkerId member : lease.members) {
    const bool is_through = !thrower && !(breaks_late && member == lease.members.back());
    end_(member, attempt, is_through ? GroupEnd::Trained : thrower == member ? GroupEnd::Threw : GroupEnd::MemberLost);
  }
}

}  // namespace hop::hopper::simulate
