// A mean over replicas in an order of additions that depends on the members who compute it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "hopper/strategy/group_wire.h"
#include "hopper/strategy/tree_mean.h"
#include "tensor/tensor.h"

namespace hop::hopper {

/// The sum of share * values over replicas of several members:
///
///   RingMean mean(gradients, buffers, group);  // or another class that derives from this one
///   mean.begin(has_rows);
///   for (each own replica) {
///     ...                         // leaves its values in `gradients`
///     mean.add(rows / all_rows);  // or mean.skip(), for a replica that has no rows
///   }
///   mean.finish(is_lost);         // gradients = the mean, at all members
///
/// Each member makes the sum of its own replicas (TreeMean). The derived class says which message goes where, and adds
/// the sums of the members in the order of its messages. So the bits are a function of the values, of the members and
/// of who owns which replica.
///
/// Memory: a copy of the values on the host. One worker alone: a copy for each member.
class MemberMean {
 public:
  virtual ~MemberMean() = default;
  MemberMean(const MemberMean&) = delete;
  MemberMean& operator=(const MemberMean&) = delete;

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

 protected:
  using Round = std::shared_ptr<GroupRound>;
  using Sums = std::vector<std::vector<float>>;
  struct Chunk {
    std::size_t begin = 0, end = 0;  // elements
    std::size_t bytes() const { return (end - begin) * sizeof(float); }
  };
  /// What goes to a member or comes from it, in this order.
  struct Message {
    std::uint32_t member = 0;
    bool has_flag = false;    ///< whether a loss is lost, as far as the sender has heard: 8 bytes
    Chunk chunk{};            ///< of the sum
    bool has_firsts = false;  ///< the tensors of the first replica
  };

  /// `values`: f32, contiguous. `firsts`: tensors that become those of the first replica with rows. If the group has no
  /// wire, one worker has all replicas, and computes what a group with these owners would: then `firsts` stay as they
  /// are. Throws DtypeError.
  MemberMean(Tensor values, std::vector<Tensor> firsts, Group group);

  std::uint32_t members() const { return members_; }
  std::uint32_t self() const { return group_.wire->rank(); }
  /// Whether a replica of this member has rows.
  bool has_values(std::uint32_t member) const { return has_values_[member]; }
  /// The owner of the first replica with rows.
  std::uint32_t first_member() const;
  /// Chunks `begin` to `end` - 1, where all elements are cut into so many, in blocks of 16.
  Chunk chunks(std::uint32_t begin, std::uint32_t end, std::uint32_t of) const;
  /// What this member has added up so far: first the sum of its own replicas.
  std::span<float> sum(const Chunk& chunk) { return std::span(sum_).subspan(chunk.begin, chunk.end - chunk.begin); }
  /// to = left + right. Null: this side has no values, and the other one alone counts. Both null: `to` stays as it is.
  static void join(std::span<float> to, const float* left, const float* right);
  /// A round in which this member sends and gets these messages at most. Returns the values that came. They stand in
  /// the memory of the round. All members call it equally often. Throws as GroupWire::swap.
  const float* swap(const Round& round, const std::optional<Message>& out, const std::optional<Message>& in);

 private:
  /// Leaves the sum over all members in sum(), given the sums of each. These may be overwritten.
  virtual void add_alone(Sums& sums) = 0;
  /// Leaves the sum over all members in sum(), by messages. These tell all members of a lost loss and bring the tensors
  /// of the first replica.
  virtual void exchange() = 0;

  bool is_alone() const { return group_.wire == nullptr; }
  void next_replica();
  void keep_sum(std::uint32_t member, const std::vector<Tensor>& sums);
  std::size_t size_of(const Message& message) const;
  void write(AlignedBuffer& to, const Message& message) const;
  const float* read(const AlignedBuffer& from, const Message& message);
  void bring_values() const;

  Tensor values_;
  std::vector<Tensor> firsts_;
  std::size_t first_bytes_ = 0;
  Group group_;
  const std::uint32_t members_;
  TreeMean mean_;                            // of the replicas of one member
  std::vector<bool> has_rows_, has_values_;  // by replica; by member
  std::size_t replica_ = 0;                  // the next own one
  bool is_lost_ = false;                     // a loss, as far as this member has heard
  std::vector<float> sum_;
  Sums sums_;  // alone: of each member
};

}  // namespace hop::hopper
