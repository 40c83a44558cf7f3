// A mean over replicas that the members of a group compute together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "hopper/strategy/group_wire.h"
#include "hopper/strategy/replica_tree.h"
#include "hopper/strategy/streamed_mean.h"
#include "hopper/strategy/tree_mean.h"

namespace hop::hopper {

/// The mean of TreeMean, with its bits, over replicas of several members:
///
///   GroupMean mean({gradients}, buffers, group);
///   mean.begin(shares);
///   for (each own replica) {
///     ...            // leaves its values in `gradients`
///     mean.add();    // or mean.skip(), for a replica that has no rows
///   }
///   mean.finish(is_lost);  // gradients = sum of share * values, at all members
///
/// Each server has a part of the elements, 1 / servers of them in blocks of 16. All members are servers, or the first
/// ones (Group::servers). Reduce-scatter: a server gets its part of the others' sums, one sum for each of the largest
/// nodes that a member has, and adds them in the order of the tree. All-gather: it sends the mean of its part to all.
/// Where each member has one of these nodes and sums are in f32, they are added while they come: of one tensor by
/// ScatteredMean. Two members that are both servers send each other the whole sum instead (PairMean).
///
/// Means are sent as f32; as f64 if not all values are f32. Sums are sent in their dtype. A node that is one replica
/// needs no sum in f64: its values are sent as means are, and the receiver multiplies them.
///
/// Bytes that all members send together in a round, where all values are f32 and each member's replicas are the leaves
/// of one node: 2 (members - 1) times bytes() (less, where the number of elements is no multiple of 16 and sums are
/// added while they come), and with sums in f64 3 (members - 1) times if all have several replicas; (members - 1) times
/// the bytes of `firsts`; and 8 for each pair of members and direction.
class GroupMean {
 public:
  /// `sums`: as in TreeMean. `values`: floating; f32 if the sums are. `firsts`: tensors that become those of the first
  /// replica with rows. Throws DtypeError.
  GroupMean(std::vector<Tensor> values, std::vector<Tensor> firsts, Group group, DType sums = DType::f32);

  /// `shares`: how much each replica of the group counts in this round; nothing for one without rows. One has rows.
  void begin(std::vector<std::optional<double>> shares);
  /// Between begin() and finish(), if the members exchange nothing else before: as GroupWire::expect.
  void expect() { streamed_ ? streamed_->expect() : group_.wire->expect(reduce_); }
  /// GroupRound::allowance of finish().
  void allow(std::uint64_t bytes) {
    if (streamed_) return streamed_->allow(bytes);
    reduce_->allowance = bytes;
  }
  /// The values are those of the next own replica, which has rows.
  void add();
  /// The next own replica has no rows.
  void skip();
  /// Exchanges. Returns whether a member has lost its loss. Throws as GroupWire::swap; the values are worthless then.
  bool finish(bool is_lost);

  /// Bytes of the values, each tensor rounded up to 64: what one replica gives away in a round.
  std::uint64_t bytes() const { return mean_.bytes(); }

 private:
  struct Part {
    std::size_t begin = 0, end = 0;  // elements
    std::size_t size() const { return end - begin; }
  };
  Part part_of(std::uint32_t rank) const;
  Part own() const { return part_of(group_.wire->rank()); }
  template <class F>
  void for_each_piece(std::size_t tensor, const F& f) const;

  bool has_values(const TreeNode& node) const;
  bool is_raw(const TreeNode& node) const { return sums_ == DType::f64 && node.leaves == 1; }
  DType dtype_of(const TreeNode& node) const { return is_raw(node) ? means_ : sums_; }
  std::size_t width_of(std::uint32_t rank) const;
  std::uint32_t first_owner() const;
  std::size_t firsts_from(std::uint32_t rank) const { return first_owner() == rank ? first_bytes_ : 0; }
  void next_leaf();
  void keep_sum(const TreeNode& node, const std::vector<Tensor>& sums);
  bool reduce_scatter(bool is_lost);
  std::byte* multiplied(std::size_t node, const std::byte* values);
  template <class T>
  T* fold(std::size_t leaves, std::size_t& node) const;
  const std::byte* own_mean();
  void all_gather(const std::byte* mean);
  void write_mean(const std::byte* mean);

  std::vector<Tensor> values_, firsts_;
  std::size_t first_bytes_ = 0;
  Group group_;
  const DType sums_;
  DType means_ = DType::f32;         // in which means are sent, and the values of one replica
  std::vector<std::size_t> begins_;  // of each tensor in the row of all elements
  std::size_t elements_ = 0;         // of this row: each tensor begins on a block, with a gap before
  std::vector<TreeNode> nodes_;
  TreeMean mean_;
  std::vector<std::optional<double>> shares_;
  std::size_t node_ = 0, leaves_done_ = 0;       // the own node in progress
  std::size_t kept_ = 0, width_ = 0;             // own sums of this round so far; bytes of an element of them together
  std::vector<AlignedBuffer> own_sums_;          // the own part of them
  std::vector<std::byte*> inputs_;               // the own part of each node's sum; null: it has no values
  std::vector<AlignedBuffer> multiplied_;        // by node, of those that came as they are
  std::vector<float> rounded_;                   // the own part of the mean, of sums in f64
  std::shared_ptr<GroupRound> reduce_, gather_;  // their memory is kept from round to round
  std::unique_ptr<StreamedMean> streamed_;       // instead of all this
};

}  // namespace hop::hopper
