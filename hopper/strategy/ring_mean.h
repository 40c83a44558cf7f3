// A mean over replicas in the order of a ring, as Horovod and DistributedDataParallel compute it over Gloo.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "hopper/strategy/group_wire.h"
#include "hopper/strategy/tree_mean.h"
#include "tensor/tensor.h"

namespace hop::hopper {

/// The sum of share * values over replicas of several members, by messages between neighbours alone:
///
///   RingMean mean(gradients, buffers, group);
///   mean.begin(has_rows);
///   for (each own replica) {
///     ...                         // leaves its values in `gradients`
///     mean.add(rows / all_rows);  // or mean.skip(), for a replica that has no rows
///   }
///   mean.finish(is_lost);         // gradients = the mean, at all members
///
/// Each member makes the sum x_i of its own replicas (TreeMean). The elements are cut into a chunk for each of the W
/// members, in blocks of 16. Reduce-scatter, W - 1 rounds: each member sends a chunk to the member before it and adds
/// its own values to the chunk that it gets from the member behind it, so chunk j becomes ((x_{j-1} + x_{j-2}) + ..) +
/// x_j, all indices modulo W, and lies at member j. All-gather, W - 1 rounds: the chunks go round once more. Members
/// without rows pass on what they get. This is the order of Gloo's ring (allreduce.cc, "ring").
///
/// The bits are a function of the values, of the members and of who owns which replica: from three members on, another
/// number of workers gives other bits. For two they are those of GroupMean, if each member's replicas are the leaves of
/// one node of its tree.
///
/// Bytes that all members send together: 2 (W - 1) times the bytes of `values`, (W - 1) times those of `firsts`, which
/// go round with the chunks, and 8 for each message of the reduce-scatter: 8 W (W - 1). Memory: a copy of the values on
/// the host, and four chunks; one worker alone: a copy for each member.
class RingMean {
 public:
  /// `values`: f32, contiguous. `firsts`: tensors that become those of the first replica with rows. If the group has no
  /// wire, one worker has all replicas, and computes what a group with these owners would: then `firsts` stay as they
  /// are. Throws DtypeError.
  RingMean(Tensor values, std::vector<Tensor> firsts, Group group);

  /// `has_rows`: of each replica of the group, in this step. One has rows.
  void begin(std::vector<bool> has_rows);
  /// The values are those of the next own replica, which counts `share`.
  void add(double share);
  /// The next own replica has no rows.
  void skip();
  /// Returns whether a member has lost its loss. Throws as GroupWire::swap.
  bool finish(bool is_lost);

  /// Bytes of the values: what one replica gives away in a step.
  std::uint64_t bytes() const { return mean_.bytes(); }

 private:
  struct Chunk {
    std::size_t begin = 0, end = 0;  // elements
    std::size_t bytes() const { return (end - begin) * sizeof(float); }
  };
  bool is_alone() const { return group_.wire == nullptr; }
  std::uint32_t before(std::uint32_t rank, std::uint32_t steps = 1) const;
  std::uint32_t behind(std::uint32_t rank, std::uint32_t steps = 1) const { return (rank + steps) % members_; }
  Chunk chunk(std::uint32_t member) const;
  bool has_values_between(std::uint32_t chunk, std::uint32_t steps) const;
  void next_replica();
  void keep_sum(std::uint32_t member);
  void sum_alone();
  bool reduce_scatter(bool is_lost);
  void all_gather();
  void bring_values() const;

  Tensor values_;
  std::vector<Tensor> firsts_;
  std::size_t first_bytes_ = 0;
  Group group_;
  const std::uint32_t members_;
  TreeMean mean_;                                // of the replicas of one member
  std::vector<bool> has_rows_, has_values_;      // by replica; by member
  std::size_t replica_ = 0;                      // the next own one
  std::vector<float> sum_;                       // of all members so far, chunk by chunk; first the own sum
  std::vector<std::vector<float>> sums_;         // alone: of each member
  std::shared_ptr<GroupRound> reduce_, gather_;  // their memory is kept from round to round, if sizes allow
};

}  // namespace hop::hopper
