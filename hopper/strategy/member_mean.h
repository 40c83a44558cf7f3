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
/// What goes to another member is sent from its place in the sum, and what comes is added there piece by piece. Memory
/// beside that of the wire: none if the values are contiguous and on the CPU, otherwise a copy of them on the host. A
/// member of several replicas: as TreeMean. One worker alone: a copy for each member.
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
  /// Since the last add() or skip() the values have stayed as they were left. Returns whether a member has lost its
  /// loss. Throws as GroupWire::swap; the values are worthless then.
  bool finish(bool is_lost);

  /// Bytes of the values: what one replica gives away in a step.
  std::uint64_t bytes() const { return mean_.bytes(); }

 protected:
  using Sums = std::vector<std::vector<float>>;
  struct Chunk {
    std::size_t begin = 0, end = 0;  // elements
    std::size_t bytes() const { return (end - begin) * sizeof(float); }
  };
  /// What goes to a member or comes from it, in this order.
  struct Message {
    std::uint32_t member = 0;
    Chunk chunk{};              ///< of the sum
    bool has_flag = false;      ///< whether a loss is lost, as far as the sender has heard: 8 bytes
    bool has_firsts = false;    ///< the tensors of the first replica
    bool is_passed_on = false;  ///< the chunk came in the round before, in place of what was there
  };
  /// What becomes of a chunk of the sum when values come.
  enum class Join : std::uint8_t {
    Replace,    ///< it becomes what comes
    AddBefore,  ///< what comes, plus the chunk
    AddBehind,  ///< the chunk, plus what comes
    Keep        ///< nothing: the sender has no values, and what comes means nothing
  };
  /// How to add sums of which one may have no values. `comes_first`: what comes is the left side.
  static Join join_of(bool comes, bool is_here, bool comes_first) {
    if (!comes) return Join::Keep;
    return !is_here ? Join::Replace : comes_first ? Join::AddBefore : Join::AddBehind;
  }

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
  std::span<float> sum(const Chunk& chunk) const;
  /// to = left + right. Null: this side has no values, and the other one alone counts. Both null: `to` stays as it is.
  static void join(std::span<float> to, const float* left, const float* right);
  /// A round in which this member sends and gets these messages at most. A chunk that goes to another member is not the
  /// one that comes. All members call it equally often. Throws as GroupWire::swap.
  void pass(const std::optional<Message>& out, const std::optional<Message>& in, Join how);

 private:
  /// Leaves the sum over all members in sum(), given the sums of each. These may be overwritten.
  virtual void add_alone(Sums& sums) = 0;
  /// Leaves the sum over all members in sum(), by messages. These tell all members of a lost loss and bring the tensors
  /// of the first replica.
  virtual void exchange() = 0;

  class Pass;
  bool is_alone() const { return group_.wire == nullptr; }
  void next_replica();
  void keep_sum(std::uint32_t member);
  std::size_t size_of_end(const Message& message) const;
  std::shared_ptr<AlignedBuffer> end_of(const Message& message) const;
  void read_end(const Message& message, const AlignedBuffer& end);

  Tensor values_;
  std::vector<Tensor> firsts_;
  std::size_t first_bytes_ = 0;
  Group group_;
  const std::uint32_t members_;
  const bool has_one_replica_;               // this member, of a group
  TreeMean mean_;                            // of the replicas of one member otherwise
  std::vector<bool> has_rows_, has_values_;  // by replica; by member
  std::size_t replica_ = 0;                  // the next own one
  std::optional<double> share_;              // of the one own replica
  bool is_lost_ = false;                     // a loss, as far as this member has heard
  Tensor sum_;                               // on the CPU: in the place of the values, if they lie there
  Sums sums_;                                // alone: of each member
};

}  // namespace hop::hopper
