// How the members of a group exchange bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace hop::hopper {

/// A member of the group is gone, cannot be reached, or kept the others waiting for too long.
struct MemberLost : NetError {
  using NetError::NetError;
};

/// The bytes of one round, by rank: `out[r]` for member r, and `in[r]` from it. One's own stay empty.
struct GroupRound {
  explicit GroupRound(std::uint32_t members) : out(members), in(members) {}
  std::vector<AlignedBuffer> out, in;
  /// Before this round members may compute for hours, some longer than others: no limit of time holds for the wait.
  /// Only for a few bytes: a connection has to take them while its other end does not listen yet.
  bool follows_work = false;
  /// So many bytes more count for the limit of time.
  std::uint64_t allowance = 0;
  /// Of the wire: the number of this round since expect(); 0 otherwise.
  std::uint64_t expected = 0;
};

/// A round without copies of the bytes: they are sent from where they lie, and what comes is taken in pieces while
/// others are on their way.
class GroupStream {
 public:
  explicit GroupStream(std::uint32_t members) : out(members), in(members) {}
  virtual ~GroupStream() = default;
  /// Takes the next piece of each member, by rank: the bytes from `at` on. Empty: no more comes from this member.
  virtual void take(std::span<const ByteView> pieces, std::uint64_t at) = 0;

  struct Part {
    ByteView bytes;
    std::shared_ptr<const void> memory;  ///< keeps the bytes
    bool is_passed_on = false;           ///< it came to its place in the last stream, and is as it came
  };
  struct Coming {
    std::uint64_t bytes = 0;
    /// Where the first of them come to lie, while the stream lasts; empty: nowhere but in take(). It overlaps nothing
    /// that is sent.
    MutableByteView place{};
    std::shared_ptr<const void> memory{};  ///< keeps the place
  };
  std::vector<std::vector<Part>> out;  ///< by rank: to this member, one part after the other
  std::vector<Coming> in;              ///< by rank: from this member
  /// A piece is taken when the own bytes from `at` on have been sent to all members, as many as it has: take() may
  /// overwrite them.
  bool overwrites = false;
  std::uint64_t allowance = 0;  ///< as of a GroupRound
  std::uint64_t expected = 0;   ///< as of a GroupRound
};

/// A message of one member that has come, or its end.
struct GroupMail {
  std::uint32_t from = 0;
  std::shared_ptr<AlignedBuffer> buffer{};  ///< its first bytes are the message; null: no more messages follow
  std::size_t bytes = 0;
};

/// One member's connections to the others of its group.
///
/// In rounds: all members call swap() equally often, with sizes that fit: `out[r]` of member s is as long as `in[s]` of
/// member r. Where both are empty, no message passes. stream() is a round, too.
///
/// Between two rounds: a member sends to another when it likes, and the other one listens. Whoever listens hears the
/// end of the messages before the next round begins.
class GroupWire {
 public:
  virtual ~GroupWire() = default;
  virtual std::uint32_t rank() const = 0;
  virtual std::uint32_t members() const = 0;
  /// The next call of swap() will be that of this round: what comes from the others goes to `in` from now on, while
  /// this member still computes. Otherwise a quick member's bytes fill the connection and stand still, which looks like
  /// a broken one. No limit of time holds before swap().
  virtual void expect(const std::shared_ptr<GroupRound>&) {}
  /// Sends all of `out` and fills all of `in`. Waits for those members from which something comes. Throws MemberLost if
  /// one cannot be reached or does not answer in time; the group is of no use then.
  virtual void swap(const std::shared_ptr<GroupRound>& round) = 0;
  /// As expect(), before stream(). No place is written before stream().
  virtual void expect(GroupStream&) {}
  /// As swap(). All members stream, with sizes that fit. If it throws, some pieces may have been taken.
  virtual void stream(GroupStream& stream) = 0;

  /// From now on the messages of this member are taken as they come, each of at most so many bytes, until it ends.
  virtual void listen(std::uint32_t from, std::size_t most) = 0;
  /// Sends the first `bytes` of the buffer, at least one, to a member that listens. Does not wait: the buffer stays as
  /// it is until the member is heard to have it. Throws MemberLost if the group is known to be of no use any more.
  virtual void send(std::uint32_t to, std::shared_ptr<const AlignedBuffer> buffer, std::size_t bytes) = 0;
  /// Tells a member that listens that no more messages follow. Throws as send().
  virtual void end(std::uint32_t to) = 0;
  /// The next message that has come, or an end. If there is none, waits for one, without a limit of time, because the
  /// others may compute; or returns none. Throws as swap().
  virtual std::optional<GroupMail> receive(bool waits) = 0;
  /// The buffer of a message is free again.
  virtual void reuse(std::shared_ptr<AlignedBuffer> buffer) = 0;

  /// Any thread, also in the middle of a round: the group is of no use any more. Everybody who waits gets MemberLost.
  virtual void fail(const std::string& why) = 0;
  /// Between two rounds: throws MemberLost if the group is known to be of no use any more.
  virtual void check() const = 0;
};

/// In which order the members of a group add their gradients, and who sends what to whom. `Direct`: GroupMean, whose
/// bits do not depend on the number of members. `Ring`: RingMean, the order of Gloo's ring. `HalvingDoubling`:
/// HalvingDoublingMean, the order of MPICH.
enum class ReduceExchange : std::uint8_t { Direct, Ring, HalvingDoubling };

/// The members of a group and the replicas of its unit.
struct Group {
  GroupWire* wire = nullptr;
  std::vector<std::uint32_t> owners{};  ///< the rank that computes each replica; it does not decrease
  /// Of gradients. With another one than `Direct`, owners and no wire, one worker computes what these members would.
  ReduceExchange exchange = ReduceExchange::Direct;
  /// With `Direct`: so many members, the first ones, add up a part each. 0: all do.
  std::uint32_t servers = 0;
  /// With Replicas::PushGradients: the order in which the gradients of the replicas are applied, of an epoch that is
  /// trained again. Empty: as they come; one worker alone takes replicas in turns.
  std::vector<std::uint32_t> arrivals{};

  bool owns(std::size_t replica) const { return wire == nullptr || owners[replica] == wire->rank(); }
};

}  // namespace hop::hopper
