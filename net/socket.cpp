#include "net/socket.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/strand.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "net/run_on.h"
#include "net/stream.h"
#include "net/with_deadline.h"

namespace hop::net {
namespace {

using Socket = StreamSocket;
using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;
using boost::system::error_code;

constexpr auto kAnswer = asio::as_tuple(asio::use_awaitable);

bool is_tcp(const asio::generic::stream_protocol& protocol) {
  return protocol.family() == AF_INET || protocol.family() == AF_INET6;
}

[[noreturn]] void throw_net_error(const char* cannot, const Address& address, const error_code& code) {
  throw NetError(std::string("[net] cannot ") + cannot + " " + address.text() + ": " + code.message());
}

// Only these errors end a listener. All others may pass (no descriptor left, a peer that has gone, a firewall).
bool is_closed(const error_code& code) {
  return code == asio::error::operation_aborted || code == asio::error::bad_descriptor;
}

AcceptError accept_error(const Address& address, const error_code& code) {
  std::string text = "[net] cannot accept at " + address.text() + ": " + code.message();
  const bool is_own_limit = code.value() == EMFILE;
  rlimit files{};
  if (is_own_limit && ::getrlimit(RLIMIT_NOFILE, &files) == 0)
    text += " (this process may have " + std::to_string(files.rlim_cur) + "; `ulimit -n` raises the limit)";
  return {text, is_own_limit || code.value() == ENFILE};
}

// The address of a peer on another machine; empty for this machine, whose many peers share one address.
std::string origin_of(const Socket& socket) {
  error_code code;
  const SocketEndpoint remote = socket.remote_endpoint(code);
  if (code || !is_tcp(remote.protocol())) return {};
  asio::ip::tcp::endpoint endpoint;
  std::memcpy(endpoint.data(), remote.data(), remote.size());
  return endpoint.address().is_loopback() ? std::string() : endpoint.address().to_string();
}

class SocketStream : public Stream {
 public:
  explicit SocketStream(Socket socket) : socket_(std::move(socket)) {
    error_code ignored;  // only tuning: failure does no harm
    if (is_tcp(socket_.local_endpoint(ignored).protocol())) {
      socket_.set_option(asio::ip::tcp::no_delay(true), ignored);  // TCP sizes its buffers by itself
    } else {
      socket_.set_option(Socket::send_buffer_size(1 << 22), ignored);  // the kernel cuts it to its limit
    }
  }

  Awaitable<std::size_t> read(MutableByteView into) override {
    const std::size_t wanted = into.size();
    while (!into.empty()) {
      const auto [code, got] = co_await socket_.async_read_some(asio::buffer(into.data(), into.size()), kAnswer);
      if (code == asio::error::eof) break;
      if (code) throw boost::system::system_error(code);
      count_arrived(got);
      into = into.subspan(got);
    }
    co_return wanted - into.size();
  }

  // asio::async_write would write at most 64 KiB at a time; the whole remainder at once is twice as fast.
  Awaitable<void> write(std::span<const ByteView> parts) override {
    std::array<asio::const_buffer, kMaxParts> buffers;
    std::span<asio::const_buffer> rest(buffers.data(), parts.size());
    std::ranges::transform(parts, rest.begin(), [](ByteView part) { return asio::buffer(part.data(), part.size()); });
    while (!rest.empty()) {
      auto [code, written] = co_await socket_.async_write_some(rest, kAnswer);
      if (code) throw boost::system::system_error(code);
      count_departed(written);
      while (!rest.empty() && written >= rest.front().size()) {
        written -= rest.front().size();
        rest = rest.subspan(1);
      }
      if (written > 0) rest.front() += written;
    }
  }

  void close() noexcept override {
    error_code ignored;  // the peer may be gone already
    socket_.shutdown(Socket::shutdown_both, ignored);
    socket_.close(ignored);
  }

  Executor executor() const override { return const_cast<Socket&>(socket_).get_executor(); }

 private:
  Socket socket_;
};

class SocketListener : public Listener, public std::enable_shared_from_this<SocketListener> {
 public:
  SocketListener(const Executor& executor, const SocketEndpoint& endpoint, const Address& address,
                 std::filesystem::path file, MakeStream make_stream)
      : executor_(executor),
        acceptor_(asio::make_strand(executor)),
        address_(address),
        make_stream_(std::move(make_stream)) {
    error_code code;
    acceptor_.open(endpoint.protocol(), code);
    if (!code && is_tcp(endpoint.protocol())) acceptor_.set_option(Acceptor::reuse_address(true), code);
    if (!code) acceptor_.bind(endpoint, code);
    if (!code) file_ = std::move(file);  // from here on the file is ours to remove
    if (!code) acceptor_.listen(asio::socket_base::max_listen_connections, code);
    if (code) {
      remove_file();
      throw_net_error("listen at", address, code);
    }
    if (is_tcp(endpoint.protocol())) address_.port = local_port();
  }

  ~SocketListener() override { remove_file(); }

  Awaitable<std::shared_ptr<Connection>> accept(Deadline deadline) override {
    return run_on(acceptor_.get_executor(), with_deadline(accept_here(), deadline, "accept at " + address_.text()));
  }

  Address address() const override { return address_; }

  void close() override {
    asio::dispatch(acceptor_.get_executor(), [self = shared_from_this()] {
      error_code ignored;  // nothing can be done about an error
      self->acceptor_.close(ignored);
      self->remove_file();
    });
  }

 private:
  Awaitable<std::shared_ptr<Connection>> accept_here() {
    const auto self = shared_from_this();
    while (true) {
      Socket socket(asio::make_strand(executor_));
      const auto [code] = co_await acceptor_.async_accept(socket, kAnswer);
      if (code == asio::error::connection_aborted) continue;  // the peer has changed its mind
      if (is_closed(code)) throw_net_error("accept at", address_, code);
      if (code) throw accept_error(address_, code);
      std::string origin = origin_of(socket);
      std::unique_ptr<Stream> stream;
      try {
        stream = make_stream_(std::move(socket));
      } catch (const NetError& error) {  // this visitor cannot be heard; the next one may be
        throw AcceptError(error.what(), false);
      }
      co_return std::make_shared<Connection>(std::move(stream), address_.text() + "#" + std::to_string(++accepted_),
                                             std::move(origin));
    }
  }

  std::uint16_t local_port() const {
    const SocketEndpoint bound = acceptor_.local_endpoint();
    asio::ip::tcp::endpoint endpoint;
    std::memcpy(endpoint.data(), bound.data(), bound.size());
    return endpoint.port();
  }

  void remove_file() {
    std::error_code ignored;
    if (!file_.empty()) std::filesystem::remove(std::exchange(file_, {}), ignored);
  }

  Executor executor_;
  Acceptor acceptor_;
  Address address_;
  MakeStream make_stream_;
  std::filesystem::path file_;
  int accepted_ = 0;
};

Awaitable<std::shared_ptr<Connection>> connect_here(Socket socket, SocketEndpoint endpoint, Address address,
                                                    Deadline deadline, MakeStream make_stream) {
  error_code code;
  while (true) {
    co_await with_deadline(socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, code)), deadline,
                           "connect to " + address.text());
    if (code != asio::error::try_again) break;
    // The listener's queue is full. For a Unix-domain socket the system says so at once instead of waiting.
    asio::steady_timer pause(socket.get_executor(), std::chrono::milliseconds(20));
    co_await with_deadline(pause.async_wait(asio::use_awaitable), deadline, "connect to " + address.text());
  }
  if (code == asio::error::operation_aborted && std::chrono::steady_clock::now() >= deadline) {
    throw TimeoutError("[net] connect to " + address.text() + ": no answer before the deadline");
  }
  if (code) throw_net_error("connect to", address, code);
  co_return std::make_shared<Connection>(make_stream(std::move(socket)), address.text());
}

}  // namespace

std::unique_ptr<Stream> make_plain_stream(StreamSocket socket) {
  return std::make_unique<SocketStream>(std::move(socket));
}

std::shared_ptr<Listener> listen_on_socket(const Executor& executor, const SocketEndpoint& endpoint,
                                           const Address& address, std::filesystem::path file, MakeStream make_stream) {
  return std::make_shared<SocketListener>(executor, endpoint, address, std::move(file), std::move(make_stream));
}

Awaitable<std::shared_ptr<Connection>> connect_to_socket(const Executor& executor, const SocketEndpoint& endpoint,
                                                         const Address& address, Deadline deadline,
                                                         MakeStream make_stream) {
  const Executor strand = asio::make_strand(executor);
  return run_on(strand, connect_here(Socket(strand), endpoint, address, deadline, std::move(make_stream)));
}

}  // namespace hop::net
