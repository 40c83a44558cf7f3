// Who may join a run, and at which place: a pure rule over offers. A place is a WorkerId; it needs the partitions that
// the strategy wants its node to hold.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/hash.h"
#include "base/ids.h"
#include "hopper/schedule/itinerary.h"

namespace hop::hopper {

/// A partition that lies on a worker's disk.
struct OfferedPartition {
  PartitionId partition{};
  Digest digest{};  ///< of its file
  bool operator==(const OfferedPartition&) const = default;

  static void describe(auto& p, auto&& field) {
    field("partition", p.partition);
    field("digest", p.digest);
  }
};

/// What a worker brings that asks for a place.
struct MemberOffer {
  /// The partitions of its own folder; none: it reads the coordinator's folder, which has all of them.
  std::optional<std::vector<OfferedPartition>> partitions{};
  /// The place that its node had in this run, whose states lie there.
  std::optional<WorkerId> had{};
  /// The place that its partitions were handed out for.
  std::optional<WorkerId> prefers{};
};

/// The newcomer's place.
struct Admitted {
  WorkerId place{};
};
/// Every place that fits has a worker now. The newcomer may ask again.
struct Occupied {
  std::string why{};
};
/// Asking again would not help.
struct Unfit {
  std::string why{};
};
using Admission = std::variant<Admitted, Occupied, Unfit>;

class Membership {
 public:
  /// `partitions`: the digest of each partition's file, by index.
  Membership(const Itinerary& itinerary, std::vector<Digest> partitions);

  /// A node that had a place gets that place, because only there the run looks for its states. Another node gets the
  /// place that it prefers, or else the lowest one, that is free and whose partitions it offers. The place is taken
  /// from then on.
  Admission admit(const MemberOffer& offer);
  /// The worker of this place is gone.
  void leave(WorkerId place) { taken_.at(place.index()) = false; }
  bool is_taken(WorkerId place) const { return taken_.at(place.index()); }

 private:
  std::optional<std::string> objection(const MemberOffer& offer) const;
  bool fits(WorkerId place, const MemberOffer& offer) const;
  std::string wanted() const;

  const Itinerary& itinerary_;
  std::vector<Digest> partitions_;
  std::vector<bool> taken_;
};

}  // namespace hop::hopper
