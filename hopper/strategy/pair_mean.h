// A mean over replicas that two members compute together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "hopper/strategy/group_wire.h"
#include "hopper/strategy/replica_tree.h"
#include "hopper/strategy/tree_mean.h"
#include "tensor/tensor.h"

namespace hop::hopper {

/// GroupMean for two members that have a node of the tree each, with sums in f32. They send each other their sums and
/// both add all of them, in one round: as many bytes as with a part for each member.
///
/// A node that is one replica needs no sum. Its values go as they are, and both members multiply them while they add.
/// If they are contiguous and on the CPU, nothing is copied: they are sent from their place, and the mean is written
/// there piece by piece.
///
/// Bytes of a member: its values or its sum, if it has rows; `firsts`, if they are its own; and 8 that say whether its
/// loss is lost.
class PairMean final : public GroupStream {
 public:
  /// Whether the group is a pair.
  static bool fits(const Group& group, DType sums);
  /// `values`: f32. `firsts`: as GroupMean.
  PairMean(std::vector<Tensor> values, std::vector<Tensor> firsts, Group group);

  /// As GroupMean. From add() to finish() the values stay as they are, if the member has one replica.
  void begin(const std::vector<std::optional<double>>& shares);
  void expect() { group_.wire->expect(*this); }
  void add();
  void skip();
  bool finish(bool is_lost);

  void take(ByteView piece, std::uint64_t at) override;

 private:
  // What a member sends of its replicas; it counts `factor`.
  struct Sum {
    bool exists = false;
    float factor = 1;
  };
  std::uint32_t self() const { return group_.wire->rank(); }
  const TreeNode& own() const { return nodes_[self()]; }
  void next_leaf();
  void keep_sum(const std::vector<Tensor>& sums);
  void write_mean(std::size_t tensor, std::size_t begin, const float* theirs, std::size_t elements) const;

  std::vector<Tensor> values_, firsts_;
  std::size_t first_bytes_ = 0;
  Group group_;
  std::vector<TreeNode> nodes_;  // one of each member
  TreeMean mean_;                // of several own replicas
  std::size_t sum_bytes_ = 0;
  // Of this step
  std::vector<std::optional<double>> shares_;  // of the own replicas
  std::size_t leaves_done_ = 0;
  Sum own_, theirs_;
  std::vector<Tensor> own_sum_, means_;     // on the CPU; the mean may take the place of the sum
  std::shared_ptr<AlignedBuffer> own_end_;  // behind the sum: tensors of the first replica, and a flag
  AlignedBuffer their_end_;
};

}  // namespace hop::hopper
