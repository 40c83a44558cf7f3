// A mean over replicas in the order of a ring, as Horovod and DistributedDataParallel compute it over Gloo.
#pragma once

#include <cstdint>
#include <vector>

#include "hopper/strategy/member_mean.h"

namespace hop::hopper {

/// A MemberMean by messages between neighbours alone.
///
/// The elements are cut into a chunk for each of the W members. Reduce-scatter, W - 1 rounds: each member sends a chunk
/// to the member before it and adds its own values to the chunk that it gets from the member behind it. If x_i is the
/// sum of the own replicas of member i, chunk j becomes ((x_{j-1} + x_{j-2}) + ..) + x_j, all indices modulo W, and
/// lies at member j. All-gather, W - 1 rounds: the chunks go round once more. Members without rows pass on what they
/// get. This is the order of Gloo's ring (allreduce.cc, "ring").
///
/// From three members on, another number of workers gives other bits. For two they are those of GroupMean, if each
/// member's replicas are the leaves of one node of its tree.
///
/// Bytes that all members send together: 2 (W - 1) times the bytes of `values`, (W - 1) times those of `firsts`, which
/// go round with the chunks, and 8 for each message of the reduce-scatter: 8 W (W - 1).
class RingMean final : public MemberMean {
 public:
  /// As MemberMean.
  RingMean(Tensor values, std::vector<Tensor> firsts, Group group);

 private:
  std::uint32_t before(std::uint32_t rank, std::uint32_t steps = 1) const {
    return (rank + members() - steps % members()) % members();
  }
  std::uint32_t behind(std::uint32_t rank, std::uint32_t steps = 1) const { return (rank + steps) % members(); }
  Chunk chunk(std::uint32_t member) const { return chunks(member, member + 1, members()); }
  bool has_values_between(std::uint32_t chunk, std::uint32_t steps) const;
  void add_alone(Sums& sums) override;
  void exchange() override;
  void reduce_scatter();
  void all_gather();
};

}  // namespace hop::hopper
