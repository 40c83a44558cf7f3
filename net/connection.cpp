#include "net/connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/dispatch.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "net/event.h"
#include "net/run_on.h"

namespace hop::net {
namespace {

// Large enough to make the cost of a chunk's header, system calls and wake-ups disappear: four processes on two cores
// with half a megabyte of cache each exchange 16 MB at 0.7 of Gloo's speed with 128 KiB, and at 0.9 to 1.1 with 1 MiB.
// Small enough to stay in a cache between the CRC and the write, and between the read and the receiver's CRC.
constexpr std::size_t kSendChunkBytes = 1U << 20;

// Looks at a transfer in the time for which it may stand still. A stall is found at most one look too late.
constexpr int kLooksPerStall = 8;

}  // namespace

Traffic& Traffic::operator+=(const Traffic& other) {
  control_sent += other.control_sent;
  control_received += other.control_received;
  payload_sent += other.payload_sent;
  payload_received += other.payload_received;
  return *this;
}

/// A place in the queue of senders, in the order of construction.
class Connection::SendTurn {
 public:
  explicit SendTurn(Connection& connection) : connection_(connection), event_(connection.executor_) {
    connection_.senders_.push_back(this);
  }
  ~SendTurn() {
    auto& queue = connection_.senders_;
    queue.erase(std::ranges::find(queue, this));
    if (!queue.empty()) queue.front()->wake();
  }
  SendTurn(const SendTurn&) = delete;
  SendTurn& operator=(const SendTurn&) = delete;

  Awaitable<void> comes() {
    while (connection_.senders_.front() != this && !connection_.failure_) co_await event_.wait();
    if (connection_.failure_) connection_.throw_failure();
  }
  void wake() { event_.notify(); }

 private:
  Connection& connection_;
  Event event_;
};

/// Refuses a second receiver: nobody could say which of the two gets the message.
class Connection::ReceiveTurn {
 public:
  explicit ReceiveTurn(Connection& connection) : receiving_(connection.receiving_) {
    if (connection.failure_) connection.throw_failure();
    if (receiving_) throw NetError("[net] expected one receiver at a time, got two (" + connection.peer_ + ")");
    receiving_ = true;
  }
  ~ReceiveTurn() { receiving_ = false; }
  ReceiveTurn(const ReceiveTurn&) = delete;
  ReceiveTurn& operator=(const ReceiveTurn&) = delete;

 private:
  bool& receiving_;
};

Connection::Connection(std::unique_ptr<Stream> stream, std::string peer, std::string origin)
    : stream_(std::move(stream)), executor_(stream_->executor()), peer_(std::move(peer)), origin_(std::move(origin)) {}

Connection::~Connection() { stream_->close(); }

Awaitable<void> Connection::send(std::uint16_t kind, ByteView control, ByteView payload, Patience patience,
                                 Headers headers) {
  return run_on(executor_, send_here(shared_from_this(), kind, control, payload, patience, std::move(headers)));
}

Awaitable<Message> Connection::receive(Patience patience) {
  return run_on(executor_, receive_here(shared_from_this(), {}, patience));
}

Awaitable<Message> Connection::receive_small(std::uint32_t max_control_bytes, Patience patience) {
  const FrameLimits limits{.control_bytes = max_control_bytes, .may_have_payload = false};
  return run_on(executor_, receive_here(shared_from_this(), limits, patience));
}

Awaitable<void> Connection::receive_payload(MutableByteView into, Patience patience, Headers headers) {
  return run_on(executor_, take_payload_here(shared_from_this(), into, patience, std::move(headers)));
}

Awaitable<void> Connection::skip_payload(Patience patience) {
  return run_on(executor_, take_payload_here(shared_from_this(), std::nullopt, patience, nullptr));
}

void Connection::close() {
  open_ = false;
  asio::dispatch(executor_, [self = shared_from_this()] {
    self->fail(false, "[net] the connection to " + self->peer_ + " was closed");
  });
}

void Connection::notice_lost_path(std::chrono::milliseconds within) {
  asio::dispatch(executor_, [self = shared_from_this(), within] { self->stream_->notice_lost_path(within); });
}

void Connection::name_peer(std::string name) {
  asio::dispatch(executor_,
                 [self = shared_from_this(), name = std::move(name)]() mutable { self->peer_ = std::move(name); });
}

Traffic Connection::traffic() const {
  return {.control_sent = control_sent_,
          .control_received = control_received_,
          .payload_sent = payload_sent_,
          .payload_received = payload_received_};
}

Awaitable<void> Connection::send_here([[maybe_unused]] Self self, std::uint16_t kind, ByteView control,
                                      ByteView payload, Patience patience, Headers headers) {
  const HeaderField header = encode_header(kind, control, payload.size());
  SendTurn turn(*this);
  const Watchdog watchdog = watch(patience, "send to");
  co_await fail_on_error(turn.comes());
  co_await fail_on_error(write_frame(header, control, payload, headers.get()));
}

Awaitable<Message> Connection::receive_here([[maybe_unused]] Self self, FrameLimits limits, Patience patience) {
  const ReceiveTurn turn(*this);
  if (untaken_payload_ > 0) {
    throw NetError("[net] expected the last message's payload to be taken first, got a receive (" + peer_ + ")");
  }
  const Watchdog watchdog = watch(patience, "message from");
  co_return co_await fail_on_error(read_message(limits));
}

Awaitable<void> Connection::take_payload_here([[maybe_unused]] Self self, std::optional<MutableByteView> into,
                                              Patience patience, Headers headers) {
  const ReceiveTurn turn(*this);
  if (into && into->size() != untaken_payload_) {
    throw NetError("[net] expected room for a payload of " + std::to_string(untaken_payload_) + " bytes, got " +
                   std::to_string(into->size()) + " (" + peer_ + ")");
  }
  const Watchdog watchdog = watch(patience, "payload from");
  co_await fail_on_error(read_payload(into, headers.get()));
}

Awaitable<void> Connection::write_frame(HeaderField header, ByteView control, ByteView payload, ChunkHeaders* headers) {
  const std::size_t payload_bytes = payload.size();
  const PayloadLengthField length = encode_payload_length(payload_bytes);
  std::uint64_t control_bytes = header.size() + control.size() + (payload.empty() ? 0 : length.size());

  // One write carries the frame's head and the first chunk, each further write one chunk.
  ChunkHeaderField chunk_header;
  std::array<ByteView, 5> parts{header, control};
  if (!payload.empty()) parts[2] = length;
  do {
    const ByteView chunk = payload.first(std::min(payload.size(), kSendChunkBytes));
    payload = payload.subspan(chunk.size());
    if (!chunk.empty()) {
      chunk_header = headers != nullptr ? headers->of(chunk) : encode_chunk_header(chunk);
      parts[3] = chunk_header;
      parts[4] = chunk;
      control_bytes += chunk_header.size();
    }
    co_await stream_->write(parts);
    parts.fill({});
  } while (!payload.empty());
  control_sent_ += control_bytes;
  payload_sent_ += payload_bytes;
}

Awaitable<Message> Connection::read_message(FrameLimits limits) {
  HeaderField header_field;
  co_await read_exactly(header_field, "a message");
  const FrameHeader header = decode_header(header_field, limits);

  Message message{.kind = header.kind, .control = AlignedBuffer(header.control_bytes), .payload_bytes = 0};
  co_await read_exactly(message.control.span(), "a control message");
  PayloadLengthField length_field;
  const MutableByteView length = header.has_payload ? MutableByteView(length_field) : MutableByteView();
  co_await read_exactly(length, "a payload length");
  message.payload_bytes = decode_payload_bytes(header_field, message.control.span(), length);

  untaken_payload_ = message.payload_bytes;
  control_received_ += header_field.size() + message.control.size() + length.size();
  co_return message;
}

Awaitable<void> Connection::read_payload(std::optional<MutableByteView> into, ChunkHeaders* headers) {
  std::uint64_t control_bytes = 0;
  AlignedBuffer dropped;  // receives the chunks of a skipped payload
  for (std::uint64_t missing = untaken_payload_; missing > 0;) {
    ChunkHeaderField chunk_field;
    co_await read_exactly(chunk_field, "a chunk");
    const ChunkHeader chunk = decode_chunk_header(chunk_field, missing);
    if (!into && dropped.size() < chunk.bytes) dropped = AlignedBuffer(chunk.bytes);
    const MutableByteView place = into ? into->last(missing) : dropped.span();
    const MutableByteView data = place.first(chunk.bytes);
    co_await read_exactly(data, "a chunk's data");
    check_chunk(chunk, data);
    if (headers != nullptr) headers->add(data, chunk_field);
    control_bytes += chunk_field.size();
    missing -= chunk.bytes;
  }
  control_received_ += control_bytes;
  payload_received_ += std::exchange(untaken_payload_, 0);
}

Awaitable<void> Connection::read_exactly(MutableByteView into, const char* what) {
  if (into.empty()) co_return;
  const std::size_t got = co_await stream_->read(into);
  if (got == into.size()) co_return;
  throw NetError("[net] expected " + std::to_string(into.size()) + " bytes of " + what + ", got " +
                 std::to_string(got) + " and the end of the connection");
}

template <class T>
Awaitable<T> Connection::fail_on_error(Awaitable<T> operation) {
  try {
    co_return co_await std::move(operation);
  } catch (const boost::system::system_error& error) {
    fail(false, "[net] lost " + peer_ + ": " + error.code().message());
  } catch (const std::exception& error) {
    fail(false, std::string(error.what()) + " (from " + peer_ + ")");
  }
  throw_failure();
}

void Connection::fail(bool timed_out, std::string text) {
  if (failure_) return;  // all operations throw the first cause
  failure_ = {.timed_out = timed_out, .text = std::move(text)};
  open_ = false;
  stream_->close();  // ends the read and the write that are under way; each sender that leaves wakes the next
}

void Connection::throw_failure() const {
  if (failure_->timed_out) throw TimeoutError(failure_->text);
  throw NetError(failure_->text);
}

Connection::Watchdog Connection::watch(Patience patience, const char* operation) {
  if (patience.deadline == kNever && patience.stall.count() == 0) return nullptr;
  auto timer = std::make_shared<asio::steady_timer>(executor_);
  await_progress(timer, patience, operation, {moved(), std::chrono::steady_clock::now()});
  return timer;
}

// `this` is safe: the timer lives as long as the operation, and the operation keeps the connection alive.
void Connection::await_progress(const Watchdog& timer, Patience patience, const char* operation, Progress last) {
  const bool may_stall = patience.stall.count() == 0;
  timer->expires_at(may_stall ? patience.deadline
                              : std::min(patience.deadline, deadline_in(patience.stall / kLooksPerStall)));
  timer->async_wait([this, watched = std::weak_ptr(timer), patience, operation,
                     last](const boost::system::error_code& code) mutable {
    const Watchdog still = watched.lock();
    if (code || !still) return;
    const auto now = std::chrono::steady_clock::now();
    if (moved() != last.bytes) last = {moved(), now};
    if (now >= patience.deadline) {
      fail(true, std::string("[net] ") + operation + " " + peer_ + ": the deadline passed");
    } else if (now - last.seen >= patience.stall) {
      const auto seconds = std::chrono::duration<double>(patience.stall).count();
      fail(true, std::string("[net] ") + operation + " " + peer_ + ": no byte moved for " + shortest(seconds) + " s");
    } else {
      await_progress(still, patience, operation, last);
    }
  });
}

}  // namespace hop::net
