// One direction of an in-memory connection.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

#include "base/bytes.h"
#include "net/asio.h"
#include "net/event.h"

namespace hop::net {

/// Carries bytes from one writer to one reader, each on a thread of its own. Small messages wait in the pipe, as in a
/// socket's buffer, so that both ends may speak first. For a large message the writer waits for the reader: the bytes
/// are copied once, from the writer's memory to the reader's memory. The side that comes second copies them.
class Pipe {
 public:
  /// Fills `into`; returns the bytes read, fewer only when the pipe is closed and empty. `wake` belongs to the reader.
  Awaitable<std::size_t> read(MutableByteView into, Event& wake);

  /// Returns when all of `data` is in the pipe or read. Throws boost::system::system_error (broken pipe) when closed.
  Awaitable<void> write(ByteView data, Event& wake);

  /// May be called by either end, on any thread. The writer breaks off; the reader may read the bytes that have been
  /// written.
  void close() noexcept;

 private:
  /// The reader's or the writer's part that is still open. Known to the pipe as long as its coroutine waits.
  template <class View>
  struct Waiting {
    View rest;
    Event& wake;
  };
  using Reader = Waiting<MutableByteView>;
  using Writer = Waiting<ByteView>;

  template <class Party>
  class Registration;

  bool transfer();
  ByteView buffered() const;

  std::mutex mutex_;
  std::vector<std::byte> buffer_;
  std::size_t buffer_read_ = 0;  // bytes at the front of buffer_ that have been read
  Reader* reader_ = nullptr;
  Writer* writer_ = nullptr;
  bool closed_ = false;
};

}  // namespace hop::net
