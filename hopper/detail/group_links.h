// One member's connections to the other members of its group. Internal to Hopscotch.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "hopper/strategy/group_wire.h"
#include "net/connection.h"

namespace hop::hopper {

namespace message {
struct Round;
}

/// How long a member waits for the others in one round, beside the time of the bytes (patience_with_state). The
/// coordinator notices a worker that stands still earlier. This limit ends the wait for a worker that lives and cannot
/// be reached. In a round that follows work of any length, the connection notices it instead: the transport gives bytes
/// up that nobody acknowledges, and the coordinator tells the others.
inline constexpr std::chrono::seconds kGroupPatience{300};

/// The length of the pieces of a stream, but for the last one of each direction. It is a part of the protocol. A piece
/// is one chunk of a frame.
inline constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

/// A group for one attempt at one unit. The network thread brings the connections; the compute thread waits for them
/// and exchanges. An error of one connection ends all of them, so that the other members notice.
class GroupLinks final : public GroupWire, public std::enable_shared_from_this<GroupLinks> {
 public:
  /// `workers`: the members, by rank. `stop`: of the worker's life.
  GroupLinks(net::Executor network, std::vector<WorkerId> workers, std::uint32_t rank, std::stop_token stop,
             std::chrono::nanoseconds patience = kGroupPatience);
  ~GroupLinks() override;

  // ---- any thread

  /// The connection to a member is there. A second one to the same member is closed, and one to a worker that is not
  /// the member of this rank.
  void join(std::uint32_t rank, WorkerId worker, std::shared_ptr<net::Connection> connection);
  void fail(const std::string& why) override;
  /// For people: whom the compute thread waits for; empty if it waits for nobody.
  std::string waits() const;
  /// Payload that was sent to the other members so far.
  std::uint64_t payload_sent() const;
  /// Everything but payload, in both directions, on the connections that this member opened: to those of lower rank.
  /// So each connection is counted by one of its ends.
  std::uint64_t control_bytes() const;

  // ---- the compute thread

  std::uint32_t rank() const override { return rank_; }
  std::uint32_t members() const override { return static_cast<std::uint32_t>(workers_.size()); }
  /// Waits until all members are connected. They may fetch a state of so many bytes before. Throws as swap().
  void meet(std::uint64_t state_bytes);
  void expect(const std::shared_ptr<GroupRound>& round) override;
  /// Throws MemberLost; TrainingStopped if the life of the worker ends.
  void swap(const std::shared_ptr<GroupRound>& round) override;
  void expect(GroupStream& stream) override;
  /// Throws as swap(). When it returns or throws, nobody uses the caller's memory any more, unless the worker's life
  /// ends. Memory: the pieces that have come, have no place, and are not taken yet. These are all at most, if another
  /// member is earlier, or its direction of the connection quicker. Up to 16 of them are kept for the next streams.
  void stream(GroupStream& stream) override;
  void listen(std::uint32_t from, std::size_t most) override;
  void send(std::uint32_t to, std::shared_ptr<const AlignedBuffer> buffer, std::size_t bytes) override;
  void end(std::uint32_t to) override;
  /// Throws as swap().
  std::optional<GroupMail> receive(bool waits) override;
  void reuse(std::shared_ptr<AlignedBuffer> buffer) override;
  void check() const override;
  /// After the last round: closes each connection when the member at its other end has everything that was sent to it.
  void part();

 private:
  using Connection = std::shared_ptr<net::Connection>;
  using Lock = std::unique_lock<std::mutex>;
  /// A piece of a stream that has come.
  struct Piece {
    AlignedBuffer buffer;  ///< empty: it lies in its place
    MutableByteView bytes;
  };

  static net::Awaitable<void> send_to(std::shared_ptr<GroupLinks> self, std::uint32_t rank,
                                      std::shared_ptr<GroupRound> round, std::uint64_t number);
  static net::Awaitable<void> receive_from(std::shared_ptr<GroupLinks> self, std::uint32_t rank,
                                           std::shared_ptr<GroupRound> round, std::uint64_t number);
  using Headers = std::shared_ptr<net::ChunkHeaders>;
  /// What the pieces of a stream have in common with others, whose headers are known.
  struct KnownHeaders {
    Headers of_stream;  ///< of pieces that go to several members
    Headers of_last;    ///< of those that came to their places in the stream before
  };
  static net::Awaitable<void> send_pieces(std::shared_ptr<GroupLinks> self, Connection link, std::uint32_t rank,
                                          std::vector<GroupStream::Part> out, std::uint64_t number,
                                          net::Patience patience, KnownHeaders known);
  static net::Awaitable<void> receive_pieces(std::shared_ptr<GroupLinks> self, Connection link, std::uint32_t rank,
                                             GroupStream::Coming in, std::uint64_t number, std::uint64_t beside,
                                             Headers came);
  /// Whether expect() was the last call for this round or stream, whose number it left in `number`. Forgets the number.
  bool is_expected(std::uint64_t& number) const {
    const std::uint64_t last = std::exchange(number, 0);
    return last != 0 && last == round_;
  }
  void begin_to_receive(const std::shared_ptr<GroupRound>& round);
  void begin_to_receive(const GroupStream& stream, bool has_places);
  static net::Awaitable<void> send_mail(std::shared_ptr<GroupLinks> self, std::uint32_t to, std::uint64_t number,
                                        std::shared_ptr<const AlignedBuffer> buffer, std::size_t bytes);
  static net::Awaitable<void> take_mail(std::weak_ptr<GroupLinks> weak, Connection link, std::uint32_t from,
                                        std::size_t most);
  static net::Awaitable<void> say_goodbye(Connection connection, std::uint64_t number);
  void end_part(std::uint32_t rank, bool has_received);
  bool wait(Lock& lock, const std::string& why, net::Patience patience, const std::function<bool()>& is_over);
  void wait_for(Lock& lock, const std::string& why, const std::string& what, net::Patience patience,
                const std::function<bool()>& is_over);
  void wait_for_all(Lock& lock, const std::string& why, const std::string& what, net::Patience patience);
  std::string absent() const;
  void check_head(const message::Round& head, std::uint64_t number, std::uint64_t bytes, std::uint32_t rank) const;
  void begin_to_send(const GroupStream& stream, net::Patience patience);
  void take_pieces(Lock& lock, GroupStream& stream);
  bool may_take(const GroupStream& stream, std::uint64_t at) const;
  Piece piece_for(const GroupStream::Coming& in, std::uint64_t at, std::size_t bytes);
  void put_piece(std::uint32_t rank, Piece piece);
  void end_of_pieces(std::uint32_t rank);
  void count_sent(std::uint32_t rank, std::size_t bytes, bool is_last);
  bool is_a_piece_missing() const;
  bool is_awaiting() const { return std::ranges::find(is_awaited_, true) != is_awaited_.end(); }
  std::shared_ptr<AlignedBuffer> make_buffer(std::size_t size);
  void put_mail(GroupMail mail);
  net::Patience patience_with(std::uint64_t bytes) const;
  net::Patience patience_with_mail(std::uint64_t bytes) const;
  net::Patience patience_for(const GroupRound& round, std::uint64_t bytes) const;

  const net::Executor network_;
  const std::vector<WorkerId> workers_;
  const std::uint32_t rank_;
  const std::stop_token stop_;
  const std::chrono::nanoseconds patience_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Connection> links_;          // by rank; the own one stays null
  std::vector<bool> is_awaited_;           // by rank: its connection, its bytes of this round, or its messages
  std::vector<bool> is_sending_;           // by rank: it has not taken the own bytes of this round
  std::uint32_t parts_ = 0;                // of the round: sends and receives that have not ended
  std::uint64_t round_ = 0;                // the number of the last one
  std::vector<std::deque<Piece>> pieces_;  // of the stream, that have come, by rank
  std::vector<AlignedBuffer> spare_pieces_;
  Headers came_, came_before_;                          // KnownHeaders::of_last, for the next stream and for this one
  bool overwrites_ = false;                             // GroupStream::overwrites of the stream
  std::vector<std::uint64_t> sent_;                     // bytes of the stream, by rank
  std::deque<GroupMail> mail_;                          // messages that have come
  std::vector<std::shared_ptr<AlignedBuffer>> spares_;  // for messages
  std::string waits_;  // for people: what the compute thread waits for; empty: it does not wait
  std::string error_;
};

}  // namespace hop::hopper
