// Streams: a round of two members in pieces.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <memory>
#include <span>
#include <utility>

#include "hopper/detail/conversation.h"
#include "hopper/detail/group_links.h"

namespace hop::hopper {
namespace {

constexpr std::size_t kMostSparePieces = 8;  // for the next streams

std::uint64_t size_of(std::span<const GroupStream::Part> parts) {
  std::uint64_t bytes = 0;
  for (const GroupStream::Part& part : parts) bytes += part.bytes.size();
  return bytes;
}

// Cuts parts into pieces. Only those that lie in several parts are copied.
class Cutter {
 public:
  explicit Cutter(std::span<const GroupStream::Part> parts) : parts_(parts) {}

  ByteView next(std::size_t bytes) {
    if (const ByteView rest = rest_of_part(); rest.size() >= bytes) return take(rest.first(bytes));
    if (copy_.empty()) copy_ = AlignedBuffer(bytes);  // the first piece is the longest one
    for (MutableByteView missing = copy_.span().first(bytes); !missing.empty();) {
      const ByteView rest = rest_of_part();
      const ByteView bytes_here = take(rest.first(std::min(rest.size(), missing.size())));
      std::ranges::copy(bytes_here, missing.begin());
      missing = missing.subspan(bytes_here.size());
    }
    return copy_.span().first(bytes);
  }

 private:
  ByteView rest_of_part() {
    while (at_ == parts_.front().bytes.size()) {
      parts_ = parts_.subspan(1);
      at_ = 0;
    }
    return parts_.front().bytes.subspan(at_);
  }
  ByteView take(ByteView bytes) {
    at_ += bytes.size();
    return bytes;
  }

  std::span<const GroupStream::Part> parts_;
  std::size_t at_ = 0;  // in the first one
  AlignedBuffer copy_;
};

}  // namespace

// ---- the compute thread

void GroupLinks::expect(GroupStream& stream) {
  const Lock lock(mutex_);
  begin_to_receive(stream);
  stream.expected = round_;
}

// A member that goes on after an error may write where the network thread reads. At the end of the worker's life nobody
// goes on, and the network thread may have ended before.
void GroupLinks::stream(GroupStream& stream) {
  Lock lock(mutex_);
  try {
    take_pieces(lock, stream);
  } catch (...) {
    if (lock.owns_lock()) lock.unlock();
    fail("a member broke a step off");
    lock.lock();
    changed_.wait(lock, stop_, [this] { return !is_sending_[other()]; });
    throw;
  }
}

// This thread adds, while the network thread sends and receives other pieces.
void GroupLinks::take_pieces(Lock& lock, GroupStream& stream) {
  const std::uint64_t out = size_of(stream.out);
  const net::Patience patience = patience_with(std::max(out, stream.in) + stream.allowance);
  if (!is_expected(stream.expected)) begin_to_receive(stream);
  begin_to_send(stream, patience);
  const std::string in_round = "in round " + std::to_string(round_), answer = "answer " + in_round;
  for (std::uint64_t taken = 0; taken < stream.in;) {
    wait_for(lock, in_round, answer, patience,
             [&] { return !pieces_.empty() && sent_ >= std::min<std::uint64_t>(out, taken + pieces_.front().bytes); });
    Piece piece = std::move(pieces_.front());
    pieces_.pop_front();
    lock.unlock();
    stream.take(std::as_const(piece.buffer).span().first(piece.bytes), taken);
    lock.lock();
    taken += piece.bytes;
    if (spare_pieces_.size() < kMostSparePieces) spare_pieces_.push_back(std::move(piece.buffer));
  }
  wait_for_all(lock, in_round, answer, patience);
}

// ---- the two directions. The caller of the next two holds mutex_. Nobody waits for a coroutine that could not begin.

void GroupLinks::begin_to_receive(const GroupStream& stream) {
  ++round_;
  pieces_.clear();  // of a stream that was expected and given up
  if (!error_.empty()) return;
  const Connection& link = links_[other()];
  net::asio::co_spawn(link->executor(), receive_pieces(shared_from_this(), link, stream.in, round_),
                      net::asio::detached);
  is_awaited_[other()] = true;
  ++parts_;
}

void GroupLinks::begin_to_send(const GroupStream& stream, net::Patience patience) {
  sent_ = 0;
  if (!error_.empty()) return;
  const Connection& link = links_[other()];
  net::asio::co_spawn(link->executor(), send_pieces(shared_from_this(), link, stream.out, round_, patience),
                      net::asio::detached);
  is_sending_[other()] = true;
  ++parts_;
}

net::Awaitable<void> GroupLinks::send_pieces(std::shared_ptr<GroupLinks> self, Connection link,
                                             std::vector<GroupStream::Part> out, std::uint64_t number,
                                             net::Patience patience) {
  std::size_t bytes = 0;
  const auto end = [&bytes](GroupLinks* links) { links->count_sent(bytes, true); };
  const std::unique_ptr<GroupLinks, decltype(end)> guard(self.get(), end);  // fail() may throw
  try {
    Cutter cutter(out);
    for (std::uint64_t missing = size_of(out); missing > 0; missing -= bytes) {
      self->count_sent(bytes, false);
      bytes = static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, missing));
      const message::Round head{number};
      co_await hopper::send(link, head, cutter.next(bytes), patience);
    }
  } catch (const std::exception& error) {
    bytes = 0;  // the last piece was not sent
    self->fail(error.what());
  }
}

// Takes pieces whatever the compute thread does: no bytes wait in the network.
net::Awaitable<void> GroupLinks::receive_pieces(std::shared_ptr<GroupLinks> self, Connection link,
                                                std::uint64_t missing, std::uint64_t number) {
  try {
    net::Patience patience;  // stream() limits the wait for the first piece
    while (missing > 0) {
      const auto head = co_await hopper::receive<message::Round>(link, patience);
      const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, missing));
      self->check_head(head, number, bytes, self->other());
      if (patience.deadline == net::kNever) patience = self->patience_with(missing);
      Piece piece{self->spare_piece(), bytes};
      co_await link->receive_payload(piece.buffer.span().first(bytes), patience);
      missing -= bytes;
      self->put_piece(std::move(piece), missing == 0);
    }
  } catch (const std::exception& error) {
    self->fail(error.what());
  }
}

// The one that was used last is the most likely to be in the cache.
AlignedBuffer GroupLinks::spare_piece() {
  {
    const std::scoped_lock lock(mutex_);
    if (!spare_pieces_.empty()) {
      AlignedBuffer spare = std::move(spare_pieces_.back());
      spare_pieces_.pop_back();
      return spare;
    }
  }
  return AlignedBuffer(kPieceBytes);
}

void GroupLinks::put_piece(Piece piece, bool is_last) {
  {
    const std::scoped_lock lock(mutex_);
    pieces_.push_back(std::move(piece));
    if (is_last) {
      is_awaited_[other()] = false;
      --parts_;
    }
  }
  changed_.notify_all();
}

// Wakes the thread that waits only if there may be something to do for it.
void GroupLinks::count_sent(std::size_t bytes, bool is_last) {
  {
    const std::scoped_lock lock(mutex_);
    sent_ += bytes;
    if (is_last) {
      is_sending_[other()] = false;
      --parts_;
    }
    if (pieces_.empty() && parts_ > 0 && error_.empty()) return;
  }
  changed_.notify_all();
}

}  // namespace hop::hopper
