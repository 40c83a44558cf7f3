// What the members of a group tell each other in the middle of a step. Internal to Hopscotch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "hopper/strategy/group_wire.h"

namespace hop::hopper {

/// Bytes that a receiver's system takes for it while it computes. Members with more gradients than this, which met in
/// the middle of the step, tell each other first that they have come to its end.
inline constexpr std::uint64_t kFitsIntoAConnection = std::uint64_t{1} << 16;

/// Numbers of the replicas of one step, as often as those that have rows meet:
///
///   StepTalk talk(group, shares);
///   while (..) all = talk.swap(own);  // members whose replicas have rows, equally often
///   talk.finish();                    // all members
///
/// Bytes of a meeting: to each other member with rows, 8 for each own number. If several members have rows and others
/// have none, the first one with rows sends 8 bytes to each of those, and 8 more at the end, because all members of a
/// group take part in each round.
class StepTalk {
 public:
  using Numbers = std::vector<std::vector<double>>;  ///< of several replicas

  /// `shares`: of each replica of the group; nothing for one without rows. The group outlives this object. Without a
  /// wire one worker has all replicas.
  StepTalk(const Group& group, const std::vector<std::optional<double>>& shares);
  /// `own`: of the own replicas that have rows, in their order; equally many numbers of each replica of the group.
  /// Returns those of all. Throws as GroupWire::swap.
  Numbers swap(const Numbers& own);
  /// A member without rows waits here for the others to end the step. Throws as GroupWire::swap.
  void finish();

 private:
  std::uint32_t self() const { return group_.wire->rank(); }
  bool has_rows(std::uint32_t rank) const { return replicas_[rank] > 0; }
  std::shared_ptr<GroupRound> round_saying(std::uint64_t word) const;

  const Group& group_;
  std::vector<std::size_t> replicas_;  // by rank: those with rows
  std::uint32_t first_ = 0;            // the first member with rows
  std::uint32_t with_rows_ = 0;        // members
};

}  // namespace hop::hopper
