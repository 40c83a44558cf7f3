// One ordered, two-way connection between two nodes, over any transport.
#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "net/asio.h"
#include "net/chunk_headers.h"
#include "net/deadline.h"
#include "net/frame.h"
#include "net/stream.h"

namespace hop::net {

/// A received message. `control` lies on a 64-byte boundary, so that a FlatBuffer may be verified in place.
struct Message {
  std::uint16_t kind = 0;
  AlignedBuffer control;
  std::uint64_t payload_bytes = 0;  ///< 0: no payload; otherwise the payload is still on its way and must be taken next
};

/// Bytes carried since the connection opened. `control_*` is everything that is not payload: headers, control
/// messages, chunk headers; so control + payload are all bytes that crossed the wire. The same on every transport.
struct Traffic {
  std::uint64_t control_sent = 0;
  std::uint64_t control_received = 0;
  std::uint64_t payload_sent = 0;
  std::uint64_t payload_received = 0;

  bool operator==(const Traffic&) const = default;
  Traffic& operator+=(const Traffic& other);
};

/// Carries messages: frames of `frame.h` over a Stream. Hold it by shared_ptr.
///
/// All functions may be called from any thread and any executor; the work itself runs on the connection's strand
/// (callers that already run on `executor()` save the two hand-overs).
///
/// Errors. A peer that is gone, bytes that are no valid frame, a deadline that passes and a cancelled coroutine all end
/// the connection: no operation can break off in the middle of a frame and go on. All pending and later operations
/// throw the same NetError (TimeoutError for a deadline), whose message names the peer. Misuse (a message beyond the
/// limits, a payload buffer of the wrong size, a payload not yet taken, two receivers at once) also throws NetError,
/// but leaves the connection as it was.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  /// `peer` is the name used in errors, such as "unix:/run/user/1000/hop-x/worker-1". `origin` is the address of the
  /// peer's machine, empty for this one.
  Connection(std::unique_ptr<Stream> stream, std::string peer, std::string origin = {});
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Sends one message. The payload is written straight from the caller's memory; both ranges must stay valid and
  /// unchanged until the coroutine has ended. Concurrent senders take turns in the order of their calls. Returns when
  /// the transport has taken the bytes: the peer may not have read them yet.
  /// `headers`: of chunks that others send, too; null: each header is computed.
  Awaitable<void> send(std::uint16_t kind, ByteView control, ByteView payload = {}, Patience patience = {},
                       std::shared_ptr<ChunkHeaders> headers = {});

  /// The next message. Its payload, if any, must be taken or skipped before the next receive.
  Awaitable<Message> receive(Patience patience = {});

  /// The next message of a peer that has not proven its identity yet: at most `max_control_bytes`, and no payload.
  /// Anything else ends the connection before memory is allocated for it.
  Awaitable<Message> receive_small(std::uint32_t max_control_bytes, Patience patience);

  /// Reads the payload of the last message straight into the caller's memory; `into.size()` must be `payload_bytes`.
  /// Each chunk's CRC is checked; when this throws, the contents of `into` are worthless.
  /// `headers` gets those of the chunks; null: nobody wants them.
  Awaitable<void> receive_payload(MutableByteView into, Patience patience = {},
                                  std::shared_ptr<ChunkHeaders> headers = {});

  /// Reads and drops the payload of the last message.
  Awaitable<void> skip_payload(Patience patience = {});

  /// Ends the connection: pending and later operations throw NetError. Bytes that the transport still holds may be
  /// lost: if a message must arrive, wait for an answer first. Idempotent.
  void close();

  /// From now on the connection also ends when the peer's machine has given no sign of life for this long, even if
  /// nothing is to be sent to it. A process that stands still on a machine that runs does not end it.
  void notice_lost_path(std::chrono::milliseconds within);

  /// Gives the peer a better name for errors, such as "worker 3", once it has said who it is.
  void name_peer(std::string name);

  /// False once the connection has ended, for any reason.
  bool is_open() const { return open_; }

  Traffic traffic() const;
  /// Bytes that have arrived so far, including those of an unfinished message: signs of life.
  std::uint64_t arrived() const { return stream_->arrived(); }
  /// The address of the peer's machine; empty for this one.
  const std::string& origin() const { return origin_; }
  Executor executor() const { return executor_; }

 private:
  class SendTurn;
  class ReceiveTurn;
  using Watchdog = std::shared_ptr<asio::steady_timer>;
  struct Failure {
    bool timed_out = false;
    std::string text;
  };
  // How many bytes have moved, and when that was first seen.
  struct Progress {
    std::uint64_t bytes = 0;
    Deadline seen{};
  };

  // The public operations, on executor_. `self` keeps the connection alive until they have ended.
  using Self = std::shared_ptr<Connection>;
  using Headers = std::shared_ptr<ChunkHeaders>;
  Awaitable<void> send_here(Self self, std::uint16_t kind, ByteView control, ByteView payload, Patience patience,
                            Headers headers);
  Awaitable<Message> receive_here(Self self, FrameLimits limits, Patience patience);
  Awaitable<void> take_payload_here(Self self, std::optional<MutableByteView> into, Patience patience, Headers headers);

  // The work of the public operations, once it is their turn.
  Awaitable<void> write_frame(HeaderField header, ByteView control, ByteView payload, ChunkHeaders* headers);
  Awaitable<Message> read_message(FrameLimits limits);
  Awaitable<void> read_payload(std::optional<MutableByteView> into, ChunkHeaders* headers);
  Awaitable<void> read_exactly(MutableByteView into, const char* what);

  template <class T>
  Awaitable<T> fail_on_error(Awaitable<T> operation);
  void fail(bool timed_out, std::string text);
  [[noreturn]] void throw_failure() const;
  Watchdog watch(Patience patience, const char* operation);
  void await_progress(const Watchdog& timer, Patience patience, const char* operation, Progress last);
  std::uint64_t moved() const { return stream_->arrived() + stream_->departed(); }

  const std::unique_ptr<Stream> stream_;
  const Executor executor_;  // the stream's; the members below are touched there only
  std::string peer_;
  const std::string origin_;
  std::optional<Failure> failure_;
  std::deque<SendTurn*> senders_;  // the front one writes
  bool receiving_ = false;
  std::uint64_t untaken_payload_ = 0;  // bytes of the last received message's payload

  std::atomic<bool> open_ = true;
  std::atomic<std::uint64_t> control_sent_ = 0, control_received_ = 0, payload_sent_ = 0, payload_received_ = 0;
};

}  // namespace hop::net
