// The duty of a transport: an ordered, reliable stream of bytes in both directions. Frames, checks, deadlines and
// counters are the same for every transport and live in Connection.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "net/asio.h"

namespace hop::net {

/// One end of a two-way byte stream. At most one read and one write run at a time, on `executor()`. Errors are thrown
/// as boost::system::system_error. The ranges passed in stay valid until the operation has ended.
class Stream {
 public:
  virtual ~Stream() = default;

  /// Fills `into`. Returns the bytes read: fewer than `into.size()` only when the peer has ended the stream.
  virtual Awaitable<std::size_t> read(MutableByteView into) = 0;

  /// Writes all `parts` (at most kMaxParts), in order, from where they lie.
  virtual Awaitable<void> write(std::span<const ByteView> parts) = 0;

  /// Ends both directions; pending operations, here and at the peer, end soon. Idempotent.
  virtual void close() noexcept = 0;

  /// From now on the stream also ends when the peer's machine has given no sign of life for this long, whatever the
  /// process there does: its system answers. Between processes of one machine no path is lost, so nothing is done.
  virtual void notice_lost_path(std::chrono::milliseconds within) { static_cast<void>(within); }

  /// The strand (or single-threaded context) that this end runs on.
  virtual Executor executor() const = 0;

  /// Bytes read so far, including those of an unfinished message: signs of life. From any thread.
  std::uint64_t arrived() const { return arrived_; }
  /// Bytes written so far. From any thread.
  std::uint64_t departed() const { return departed_; }

  static constexpr std::size_t kMaxParts = 8;

 protected:
  void count_arrived(std::size_t bytes) { arrived_ += bytes; }
  void count_departed(std::size_t bytes) { departed_ += bytes; }

 private:
  std::atomic<std::uint64_t> arrived_ = 0, departed_ = 0;
};

}  // namespace hop::net
