// One direction of an in-memory connection.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

#include "base/bytes.h"
#include "net/asio.h"
#include "net/event.h"

namespace hop::net {

/// Carries bytes from one writer to one reader, each on a thread of its own. What is small waits in the pipe, as it
/// would in a socket's buffer, so that both ends may speak first. What is large meets the reader: the bytes are copied
/// once, from the writer's memory to the reader's, by whichever comes second; until then the writer waits.
class Pipe {
 public:
  /// Fills `into`; returns the bytes read, fewer only when the pipe is closed and empty. `wake` belongs to the reader.
  Awaitable<std::size_t> read(MutableByteView into, Event& wake);

  /// Returns when all of `data` is in the pipe or read. Throws boost::system::system_error (broken pipe) when closed.
  Awaitable<void> write(ByteView data, Event& wake);

  /// By either end, on any thread: the writer breaks off, the reader may read what has been written.
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
  std::size_t buffer_read_ = 0;  // the front part of buffer_ that the reader has had
  Reader* reader_ = nullptr;
  Writer* writer_ = nullptr;
  bool closed_ = false;
};

}  // namespace hop::net
