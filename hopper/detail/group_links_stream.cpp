// Streams: rounds in pieces.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <memory>
#include <set>
#include <span>
#include <utility>

#include "hopper/detail/conversation.h"
#include "hopper/detail/group_links.h"

namespace hop::hopper {
namespace {

constexpr std::size_t kMostSparePieces = 16;  // for the next streams

std::uint64_t size_of(std::span<const GroupStream::Part> parts) {
  std::uint64_t bytes = 0;
  for (const GroupStream::Part& part : parts) bytes += part.bytes.size();
  return bytes;
}

std::uint64_t size_of(std::span<const GroupStream::Coming> in) {
  std::uint64_t bytes = 0;
  for (const GroupStream::Coming& coming : in) bytes += coming.bytes;
  return bytes;
}

bool goes_to_several(const GroupStream& stream) {
  std::set<const std::byte*> seen;
  for (const std::vector<GroupStream::Part>& parts : stream.out) {
    if (!parts.empty() && !parts.front().bytes.empty() && !seen.insert(parts.front().bytes.data()).second) return true;
  }
  return false;
}

// What is to lie in its place, of pieces that came to a buffer.
void bring_to_their_places(const GroupStream& stream, std::span<const ByteView> pieces, std::uint64_t at) {
  for (std::size_t rank = 0; rank < pieces.size(); ++rank) {
    const MutableByteView place = stream.in[rank].place;
    if (at >= place.size() || pieces[rank].data() == place.data() + at) continue;
    const std::size_t bytes = std::min(pieces[rank].size(), place.size() - static_cast<std::size_t>(at));
    std::ranges::copy(pieces[rank].first(bytes), place.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

// Cuts parts into pieces. Only those that lie in several parts are copied.
class Cutter {
 public:
  explicit Cutter(std::span<const GroupStream::Part> parts) : parts_(parts) {}

  struct Piece {
    ByteView bytes;
    bool is_copy = false;       // its memory is that of another piece later
    bool is_passed_on = false;  // as of its part
  };
  Piece next(std::size_t bytes) {
    if (const ByteView rest = rest_of_part(); rest.size() >= bytes) {
      return {take(rest.first(bytes)), false, parts_.front().is_passed_on};
    }
    if (copy_.empty()) copy_ = AlignedBuffer(bytes);  // the first piece is the longest one
    for (MutableByteView missing = copy_.span().first(bytes); !missing.empty();) {
      const ByteView rest = rest_of_part();
      const ByteView bytes_here = take(rest.first(std::min(rest.size(), missing.size())));
      std::ranges::copy(bytes_here, missing.begin());
      missing = missing.subspan(bytes_here.size());
    }
    return {copy_.span().first(bytes), true};
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
  begin_to_receive(stream, false);
  stream.expected = round_;
}

// A member that goes on after an error may use memory that the network thread uses. At the end of the worker's life
// nobody goes on, and the network thread may have ended before.
void GroupLinks::stream(GroupStream& stream) {
  Lock lock(mutex_);
  try {
    take_pieces(lock, stream);
  } catch (...) {
    if (lock.owns_lock()) lock.unlock();
    fail("a member broke a step off");
    lock.lock();
    changed_.wait(lock, stop_, [this] { return parts_ == 0; });
    throw;
  }
}

// This thread adds, while the network thread sends and receives other pieces.
void GroupLinks::take_pieces(Lock& lock, GroupStream& stream) {
  std::uint64_t out = 0, longest = 0;
  for (std::uint32_t rank = 0; rank < members(); ++rank) {
    out += size_of(stream.out[rank]);
    longest = std::max(longest, stream.in[rank].bytes);
  }
  const net::Patience patience = patience_with(std::max(out, size_of(stream.in)) + stream.allowance);
  if (!is_expected(stream.expected)) begin_to_receive(stream, true);
  begin_to_send(stream, patience);
  const std::string in_round = "in round " + std::to_string(round_), answer = "answer " + in_round;
  std::vector<ByteView> views(members());
  std::vector<Piece> pieces;
  for (std::uint64_t at = 0; at < longest; at += kPieceBytes) {
    wait_for(lock, in_round, answer, patience, [&] { return may_take(stream, at); });
    for (std::uint32_t rank = 0; rank < members(); ++rank) {
      views[rank] = {};
      if (at >= stream.in[rank].bytes) continue;
      views[rank] = pieces.emplace_back(std::move(pieces_[rank].front())).bytes;
      pieces_[rank].pop_front();
    }
    lock.unlock();
    bring_to_their_places(stream, views, at);
    stream.take(views, at);
    lock.lock();
    for (Piece& piece : pieces) {
      if (piece.buffer.size() == kPieceBytes && spare_pieces_.size() < kMostSparePieces)
        spare_pieces_.push_back(std::move(piece.buffer));
    }
    pieces.clear();
  }
  wait_for_all(lock, in_round, answer, patience);
}

// Whether a piece of each member is there.
bool GroupLinks::may_take(const GroupStream& stream, std::uint64_t at) const {
  for (std::uint32_t rank = 0; rank < members(); ++rank) {
    if (at < stream.in[rank].bytes && pieces_[rank].empty()) return false;
    if (stream.overwrites && is_sending_[rank] && sent_[rank] < at + kPieceBytes) return false;
  }
  return true;
}

// ---- the two directions. The caller of the next two holds mutex_. Nobody waits for a coroutine that could not begin.

void GroupLinks::begin_to_receive(const GroupStream& stream, bool has_places) {
  ++round_;
  for (std::deque<Piece>& pieces : pieces_) pieces.clear();  // of a stream that was expected and given up
  came_before_ = std::exchange(came_, has_places ? std::make_shared<net::ChunkHeaders>() : nullptr);
  if (!error_.empty()) return;
  for (std::uint32_t rank = 0; rank < members(); ++rank) {
    if (rank == rank_ || stream.in[rank].bytes == 0) continue;
    const GroupStream::Coming in = has_places ? stream.in[rank] : GroupStream::Coming{stream.in[rank].bytes};
    const std::uint64_t beside = size_of(stream.in) - in.bytes + stream.allowance;
    const Connection& link = links_[rank];
    net::asio::co_spawn(link->executor(), receive_pieces(shared_from_this(), link, rank, in, round_, beside, came_),
                        net::asio::detached);
    is_awaited_[rank] = true;
    ++parts_;
  }
}

void GroupLinks::begin_to_send(const GroupStream& stream, net::Patience patience) {
  sent_.assign(members(), 0);
  overwrites_ = stream.overwrites;
  if (!error_.empty()) return;
  const KnownHeaders known{goes_to_several(stream) ? std::make_shared<net::ChunkHeaders>() : nullptr, came_before_};
  for (std::uint32_t rank = 0; rank < members(); ++rank) {
    if (rank == rank_ || size_of(stream.out[rank]) == 0) continue;
    const Connection& link = links_[rank];
    net::asio::co_spawn(link->executor(),
                        send_pieces(shared_from_this(), link, rank, stream.out[rank], round_, patience, known),
                        net::asio::detached);
    is_sending_[rank] = true;
    ++parts_;
  }
}

net::Awaitable<void> GroupLinks::send_pieces(std::shared_ptr<GroupLinks> self, Connection link, std::uint32_t rank,
                                             std::vector<GroupStream::Part> out, std::uint64_t number,
                                             net::Patience patience, KnownHeaders known) {
  std::size_t bytes = 0;
  const auto end = [&bytes, rank](GroupLinks* links) { links->count_sent(rank, bytes, true); };
  const std::unique_ptr<GroupLinks, decltype(end)> guard(self.get(), end);  // fail() may throw
  try {
    Cutter cutter(out);
    for (std::uint64_t missing = size_of(out); missing > 0; missing -= bytes) {
      self->count_sent(rank, bytes, false);
      bytes = static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, missing));
      const message::Round head{number};
      const Cutter::Piece piece = cutter.next(bytes);
      const Headers headers = piece.is_copy ? nullptr : piece.is_passed_on ? known.of_last : known.of_stream;
      co_await hopper::send(link, head, piece.bytes, patience, headers);
    }
  } catch (const std::exception& error) {
    bytes = 0;  // the last piece was not sent
    self->fail(error.what());
  }
}

// Takes pieces whatever the compute thread does: no bytes wait in the network. `beside`: bytes that come from others.
net::Awaitable<void> GroupLinks::receive_pieces(std::shared_ptr<GroupLinks> self, Connection link, std::uint32_t rank,
                                                GroupStream::Coming in, std::uint64_t number, std::uint64_t beside,
                                                Headers came) {
  const auto end = [rank](GroupLinks* links) { links->end_of_pieces(rank); };
  const std::unique_ptr<GroupLinks, decltype(end)> guard(self.get(), end);
  try {
    net::Patience patience;  // stream() limits the wait for the first piece
    for (std::uint64_t at = 0; at < in.bytes; at += kPieceBytes) {
      const auto head = co_await hopper::receive<message::Round>(link, patience);
      const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, in.bytes - at));
      self->check_head(head, number, bytes, rank);
      if (patience.deadline == net::kNever) patience = self->patience_with(in.bytes + beside);
      Piece piece = self->piece_for(in, at, bytes);
      const Headers headers = piece.buffer.empty() ? came : nullptr;
      co_await link->receive_payload(piece.bytes, patience, headers);
      self->put_piece(rank, std::move(piece));
    }
  } catch (const std::exception& error) {
    self->fail(error.what());
  }
}

// A piece that lies in its place to the last byte comes there. Of the spare buffers the one that was used last is the
// most likely to be in the cache.
GroupLinks::Piece GroupLinks::piece_for(const GroupStream::Coming& in, std::uint64_t at, std::size_t bytes) {
  if (at + bytes <= in.place.size()) return {AlignedBuffer(), in.place.subspan(static_cast<std::size_t>(at), bytes)};
  if (in.bytes < kPieceBytes) {  // a few bytes, such as a flag: no buffer of a whole piece for them
    AlignedBuffer buffer(bytes);
    const MutableByteView view = buffer.span();
    return {std::move(buffer), view};
  }
  AlignedBuffer buffer;
  {
    const std::scoped_lock lock(mutex_);
    if (!spare_pieces_.empty()) {
      buffer = std::move(spare_pieces_.back());
      spare_pieces_.pop_back();
    }
  }
  if (buffer.empty()) buffer = AlignedBuffer(kPieceBytes);
  const MutableByteView view = buffer.span().first(bytes);
  return {std::move(buffer), view};
}

// The next three wake the thread that waits only if there may be something to do for it. An error wakes it by itself.

void GroupLinks::put_piece(std::uint32_t rank, Piece piece) {
  {
    const std::scoped_lock lock(mutex_);
    pieces_[rank].push_back(std::move(piece));
    if (is_a_piece_missing()) return;
  }
  changed_.notify_all();
}

void GroupLinks::end_of_pieces(std::uint32_t rank) {
  {
    const std::scoped_lock lock(mutex_);
    is_awaited_[rank] = false;
    if (--parts_ > 0 && is_a_piece_missing()) return;
  }
  changed_.notify_all();
}

void GroupLinks::count_sent(std::uint32_t rank, std::size_t bytes, bool is_last) {
  {
    const std::scoped_lock lock(mutex_);
    sent_[rank] += bytes;
    if (is_last) {
      is_sending_[rank] = false;
      --parts_;
    }
    if (parts_ > 0 && (!overwrites_ || is_a_piece_missing())) return;
  }
  changed_.notify_all();
}

// Whether a member from which a piece comes has no piece there. The caller holds mutex_.
bool GroupLinks::is_a_piece_missing() const {
  bool is_any = false;
  for (std::uint32_t rank = 0; rank < members(); ++rank) {
    if (is_awaited_[rank] && pieces_[rank].empty()) return true;
    is_any = is_any || !pieces_[rank].empty();
  }
  return !is_any;
}

}  // namespace hop::hopper
