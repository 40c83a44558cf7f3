// A mean over replicas that members compute together, one node of the tree each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "hopper/strategy/group_wire.h"
#include "hopper/strategy/replica_tree.h"
#include "hopper/strategy/tree_mean.h"
#include "tensor/tensor.h"

namespace hop::hopper {

/// GroupMean for members that have a node of the tree each, with sums in f32. The derived class says who adds what.
///
/// A node that is one replica needs no sum. Its values go as they are, and whoever adds multiplies them. If they are
/// contiguous and on the CPU, nothing is copied: they are sent from their place, and the mean is written there piece by
/// piece.
class StreamedMean {
 public:
  virtual ~StreamedMean() = default;
  StreamedMean(const StreamedMean&) = delete;
  StreamedMean& operator=(const StreamedMean&) = delete;

  /// As GroupMean. From add() to finish() the values stay as they are, if the member has one replica. If finish()
  /// throws, they are worthless.
  void begin(const std::vector<std::optional<double>>& shares);
  virtual void expect() = 0;
  virtual void allow(std::uint64_t bytes) = 0;
  void add();
  void skip();
  bool finish(bool is_lost);

 protected:
  /// What a member adds for its replicas: `factor` times what it sends, if they have rows.
  struct Sum {
    bool exists = false;
    float factor = 1;
  };

  /// `values`: f32. `firsts`: as GroupMean.
  StreamedMean(std::vector<Tensor> values, std::vector<Tensor> firsts, Group group);

  GroupWire& wire() const { return *group_.wire; }
  std::uint32_t self() const { return group_.wire->rank(); }
  std::uint32_t members() const { return static_cast<std::uint32_t>(nodes_.size()); }
  const std::vector<TreeNode>& nodes() const { return nodes_; }
  const Sum& sum(std::uint32_t rank) const { return sums_[rank]; }
  /// The member with the first replica that has rows: bytes of `firsts` that come from a member.
  std::size_t firsts_from(std::uint32_t rank) const { return rank == first_member_ ? first_bytes_ : 0; }
  const std::vector<Tensor>& firsts() const { return firsts_; }
  /// The own sum, on the CPU; empty if the own replicas have no rows.
  const std::vector<Tensor>& own_sum() const { return own_sum_; }
  /// Where the mean is to be written, on the CPU. It may take the place of the own sum.
  const std::vector<Tensor>& means() const { return means_; }

 private:
  /// The sizes of what comes, of this step.
  virtual void prepare() = 0;
  /// Leaves the mean in means(). Returns whether a member has lost its loss.
  virtual bool exchange(bool is_lost) = 0;

  const TreeNode& own() const { return nodes_[self()]; }
  void next_leaf();
  void keep_sum(const std::vector<Tensor>& sums);

  std::vector<Tensor> values_, firsts_;
  std::size_t first_bytes_ = 0;
  Group group_;
  std::vector<TreeNode> nodes_;  // by rank
  TreeMean mean_;                // of several own replicas
  // Of this step
  std::vector<std::optional<double>> shares_;  // of the own replicas
  std::size_t leaves_done_ = 0;
  std::vector<Sum> sums_;  // by rank
  std::uint32_t first_member_ = 0;
  std::vector<Tensor> own_sum_, means_;
};

}  // namespace hop::hopper
