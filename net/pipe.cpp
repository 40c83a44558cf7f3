#include "net/pipe.h"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <cstring>

namespace hop::net {
namespace {

constexpr std::size_t kBufferBytes = 1U << 16;

}  // namespace

/// Registers a party with the pipe for one operation. If the coroutine is cancelled or destroyed, the registration ends
/// with it, so the other side never touches memory that is gone.
template <class Party>
class Pipe::Registration {
 public:
  Registration(Pipe& pipe, Party*& slot, Party& party) : pipe_(pipe), slot_(slot) {
    const std::lock_guard lock(pipe_.mutex_);
    slot_ = &party;
  }
  ~Registration() {
    const std::lock_guard lock(pipe_.mutex_);
    slot_ = nullptr;
  }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

 private:
  Pipe& pipe_;
  Party*& slot_;
};

Awaitable<std::size_t> Pipe::read(MutableByteView into, Event& wake) {
  Reader me{into, wake};
  const Registration registration(*this, reader_, me);
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (transfer() && writer_ != nullptr && writer_->rest.empty()) writer_->wake.notify();
      if (me.rest.empty() || closed_) co_return into.size() - me.rest.size();
    }
    co_await wake.wait();
  }
}

Awaitable<void> Pipe::write(ByteView data, Event& wake) {
  Writer me{data, wake};
  const Registration registration(*this, writer_, me);
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ && !me.rest.empty()) throw boost::system::system_error(asio::error::broken_pipe);
      if (transfer() && reader_ != nullptr && reader_->rest.empty()) reader_->wake.notify();
      if (me.rest.empty()) co_return;
    }
    co_await wake.wait();
  }
}

void Pipe::close() noexcept {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  if (reader_ != nullptr) reader_->wake.notify();
  if (writer_ != nullptr) writer_->wake.notify();
}

ByteView Pipe::buffered() const { return ByteView(buffer_).subspan(buffer_read_); }

// Moves as many bytes as possible: buffer to reader, writer to reader, then writer to buffer. Returns whether any byte
// moved.
bool Pipe::transfer() {
  bool moved = false;
  const auto give = [this, &moved](ByteView from) {
    const ByteView piece = from.first(std::min(from.size(), reader_->rest.size()));
    if (!piece.empty()) std::memcpy(reader_->rest.data(), piece.data(), piece.size());
    reader_->rest = reader_->rest.subspan(piece.size());
    moved = moved || !piece.empty();
    return piece.size();
  };
  if (reader_ != nullptr) buffer_read_ += give(buffered());
  if (buffered().empty()) {
    buffer_.clear();
    buffer_read_ = 0;
    if (reader_ != nullptr && writer_ != nullptr) writer_->rest = writer_->rest.subspan(give(writer_->rest));
  }
  if (writer_ != nullptr && !writer_->rest.empty() && buffer_.size() + writer_->rest.size() <= kBufferBytes) {
    buffer_.insert(buffer_.end(), writer_->rest.begin(), writer_->rest.end());
    writer_->rest = {};
    moved = true;
  }
  return moved;
}

}  // namespace hop::net
