// A mean over replicas that the members of a group compute together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "hopper/strategy/group_wire.h"
#include "hopper/strategy/replica_tree.h"
#include "hopper/strategy/tree_mean.h"

namespace hop::hopper {

/// The mean of TreeMean, with its bits, over replicas of several members:
///
///   GroupMean mean(gradients, buffers, group);
///   mean.begin(has_rows);
///   for (each own replica) {
///     ...                         // leaves its values in `gradients`
///     mean.add(rows / all_rows);  // or mean.skip(), for a replica that has no rows
///   }
///   mean.finish(is_lost);         // gradients = the mean, at all members
///
/// Each member has a part of the elements, 1 / members of them in blocks of 16. Reduce-scatter: it gets that part of
/// the others' sums, one sum for each of the largest nodes that a member has, and adds them in the order of the tree.
/// All-gather: it sends the mean of its part to all.
///
/// Bytes that all members send together in a step, if each one's replicas are the leaves of one node: 2 (members - 1)
/// times the bytes of `values`, (members - 1) times the bytes of `buffers`, and 8 for each pair of members and
/// direction.
class GroupMean {
 public:
  /// `values`: f32, contiguous. `buffers`: tensors that become those of the first replica with rows. Throws DtypeError.
  GroupMean(Tensor values, std::vector<Tensor> buffers, Group group);

  /// `has_rows`: of each replica of the group, in this step. One has rows.
  void begin(std::vector<bool> has_rows);
  /// The values are those of the next own replica, which counts `share`.
  void add(double share);
  /// The next own replica has no rows.
  void skip();
  /// Exchanges. Returns whether a member has lost its loss. Throws as GroupWire::swap.
  bool finish(bool is_lost);

  /// Bytes of the values: what one replica gives away in a step.
  std::uint64_t bytes() const { return mean_.bytes(); }

 private:
  struct Part {
    std::size_t begin = 0, end = 0;  // elements
    std::size_t bytes() const { return (end - begin) * sizeof(float); }
  };
  Part part_of(std::uint32_t rank) const;
  Part own() const { return part_of(group_.wire->rank()); }
  std::size_t sums_of(std::uint32_t rank) const;
  bool has_values(const TreeNode& node) const;
  std::uint32_t first_owner() const;
  void next_leaf();
  void keep_sum(const TreeNode& node);
  bool reduce_scatter(bool is_lost);
  float* fold(std::size_t leaves, std::size_t& node);
  void all_gather(const float* mean);

  Tensor values_;
  std::vector<Tensor> buffers_;
  std::size_t buffer_bytes_ = 0;
  Group group_;
  std::vector<TreeNode> nodes_;
  TreeMean mean_;
  std::vector<bool> has_rows_;
  std::size_t node_ = 0, leaves_done_ = 0;       // the own node in progress
  std::size_t sums_ = 0;                         // own sums of this step so far
  std::vector<std::vector<float>> own_sums_;     // the own part of them
  std::vector<float*> inputs_;                   // the own part of each node's sum; null: it has no values
  std::shared_ptr<GroupRound> reduce_, gather_;  // their memory is kept from step to step
};

}  // namespace hop::hopper
