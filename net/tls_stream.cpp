#include "net/tls_stream.h"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "net/event.h"
#include "net/socket_bio.h"

namespace hop::net {
namespace {

// A machine that was unplugged closes no connection. Whoever writes to it hears of it when nothing was acknowledged for
// this time; the system's own limit is a quarter of an hour.
constexpr unsigned kUnansweredMs = 20'000;
// Members of a group may train for hours without a word to each other. The system then asks whether the other machine
// is there, which also keeps firewalls from forgetting the connection.
constexpr int kQuietSeconds = 60, kSecondsBetweenQuestions = 10;

class TlsStream : public Stream {
 public:
  TlsStream(StreamSocket socket, std::shared_ptr<const TlsContext> context)
      : socket_(std::move(socket)), context_(std::move(context)), handshake_ended_(socket_.get_executor()) {
    boost::system::error_code ignored;  // only tuning: failure does no harm
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    socket_.set_option(asio::socket_base::keep_alive(true), ignored);
    tune(TCP_USER_TIMEOUT, kUnansweredMs);
    tune(TCP_KEEPIDLE, kQuietSeconds);
    tune(TCP_KEEPINTVL, kSecondsBetweenQuestions);
    socket_.non_blocking(true, ignored);  // ours: OpenSSL never waits in a system call
    end_.descriptor = socket_.native_handle();
    session_ = context_->session(make_socket_bio(end_));
  }

  Awaitable<std::size_t> read(MutableByteView into) override {
    co_await shake_hands();
    const std::size_t wanted = into.size();
    while (!into.empty()) {
      std::size_t got = 0;
      ERR_clear_error();
      const int result = SSL_read_ex(session_.get(), into.data(), into.size(), &got);
      if (result == 1) {
        count_arrived(got);
        into = into.subspan(got);
      } else if (!co_await can_go_on(result)) {
        break;
      }
    }
    co_return wanted - into.size();
  }

  // A record costs 22 bytes and a system call, so small parts share one record. The rest of a large part is encrypted
  // from where it lies.
  Awaitable<void> write(std::span<const ByteView> parts) override {
    co_await shake_hands();
    for (ByteView part : parts) {
      while (!part.empty()) {
        if (gathered_ == 0 && part.size() >= record_.size()) {
          part = part.subspan(co_await encrypt(part));
          continue;
        }
        const std::size_t size = std::min(part.size(), record_.size() - gathered_);
        std::memcpy(record_.data() + gathered_, part.data(), size);
        gathered_ += size;
        part = part.subspan(size);
        if (gathered_ == record_.size()) co_await flush();
      }
    }
    co_await flush();
  }

  void close() noexcept override {
    if (end_.descriptor < 0) return;
    ERR_clear_error();
    if (shaken_) SSL_shutdown(session_.get());  // tells the peer that the end is intended; nobody waits for an answer
    ERR_clear_error();
    end_.descriptor = -1;
    boost::system::error_code ignored;  // the peer may be gone already
    socket_.shutdown(StreamSocket::shutdown_both, ignored);
    socket_.close(ignored);
    handshake_ended_.notify();
  }

  // The system asks once a second after a second of silence.
  void notice_lost_path(std::chrono::milliseconds within) override {
    if (end_.descriptor < 0) return;
    tune(TCP_USER_TIMEOUT, static_cast<unsigned>(within.count()));
    tune(TCP_KEEPIDLE, 1);
    tune(TCP_KEEPINTVL, 1);
  }

  Executor executor() const override { return const_cast<StreamSocket&>(socket_).get_executor(); }

 private:
  // Only tuning: failure does no harm.
  void tune(int option, auto value) {
    ::setsockopt(socket_.native_handle(), IPPROTO_TCP, option, &value, sizeof value);
  }

  // A reader and a writer may come at the same time. One of them shakes hands, and the other waits until the handshake
  // is over.
  Awaitable<void> shake_hands() {
    while (!shaken_) {
      if (shaking_) {
        co_await handshake_ended_.wait();
      } else {
        shaking_ = true;
        const auto end = [this](void*) {
          shaking_ = false;
          handshake_ended_.notify();
        };
        const std::unique_ptr<void, decltype(end)> guard(this, end);
        co_await do_handshake();
      }
    }
  }

  Awaitable<void> do_handshake() {
    while (true) {
      ERR_clear_error();
      const int result = SSL_do_handshake(session_.get());
      if (result == 1) break;
      if (!co_await can_go_on(result))
        throw NetError("[net] the peer hung up before it had proven that it holds the key");
    }
    // OpenSSL counts a session with an external key as one that is used again.
    if (SSL_session_reused(session_.get()) != 1) throw NetError("[tls] the peer did not use the key of this run");
    shaken_ = true;
  }

  /// Waits until the operation that gave `result` may be tried again. False if the peer has ended the stream in order.
  Awaitable<bool> can_go_on(int result) {
    const int reason = SSL_get_error(session_.get(), result);
    if (end_.descriptor < 0) throw boost::system::system_error(asio::error::operation_aborted);
    if (reason == SSL_ERROR_ZERO_RETURN) co_return false;
    if (reason == SSL_ERROR_WANT_READ) {
      co_await socket_.async_wait(StreamSocket::wait_read, asio::use_awaitable);
    } else if (reason == SSL_ERROR_WANT_WRITE) {
      co_await socket_.async_wait(StreamSocket::wait_write, asio::use_awaitable);
    } else if (end_.error != 0) {
      ERR_clear_error();
      throw boost::system::system_error(end_.error, boost::system::system_category());
    } else {
      throw NetError(explain_tls_error(context_->side()));
    }
    co_return true;
  }

  /// Encrypts and sends the beginning of `part`; returns how many bytes that was.
  Awaitable<std::size_t> encrypt(ByteView part) {
    std::size_t taken = 0;
    while (taken == 0) {
      ERR_clear_error();
      const int result = SSL_write_ex(session_.get(), part.data(), part.size(), &taken);
      if (result == 1) break;
      taken = 0;
      if (!co_await can_go_on(result)) throw NetError("[tls] the peer has ended the connection");
    }
    count_departed(taken);
    co_return taken;
  }

  Awaitable<void> flush() {
    for (ByteView rest = ByteView(record_).first(std::exchange(gathered_, 0)); !rest.empty();) {
      rest = rest.subspan(co_await encrypt(rest));
    }
  }

  StreamSocket socket_;
  std::shared_ptr<const TlsContext> context_;
  SocketEnd end_;
  SslSession session_;  // uses the two above
  bool shaken_ = false, shaking_ = false;
  Event handshake_ended_;
  std::array<std::byte, SSL3_RT_MAX_PLAIN_LENGTH> record_;  // the small parts of one write
  std::size_t gathered_ = 0;
};

}  // namespace

std::unique_ptr<Stream> make_tls_stream(StreamSocket socket, std::shared_ptr<const TlsContext> context) {
  return std::make_unique<TlsStream>(std::move(socket), std::move(context));
}

}  // namespace hop::net
