#include "bench/plain_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "net/transport.h"

namespace hop::bench {
namespace {

union Endpoint {
  sockaddr any;
  sockaddr_un local;
  sockaddr_in tcp;
};

constexpr int kLargeBuffer = 1 << 22;

[[noreturn]] void fail(const char* what) {
  throw NetError(std::string("[plain] cannot ") + what + ": " + std::strerror(errno));
}

void check(int result, const char* what) {
  if (result < 0) fail(what);
}

std::pair<Endpoint, socklen_t> endpoint_of(const std::string& text) {
  const net::Address address = net::Address::parse(text);
  Endpoint endpoint{};
  if (address.scheme == net::Address::Scheme::kUnix) {
    endpoint.local.sun_family = AF_UNIX;
    address.host.copy(endpoint.local.sun_path, sizeof endpoint.local.sun_path - 1);
    return {endpoint, sizeof endpoint.local};
  }
  endpoint.tcp.sin_family = AF_INET;
  endpoint.tcp.sin_port = htons(address.port);
  endpoint.tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return {endpoint, sizeof endpoint.tcp};
}

int open_socket(const Endpoint& endpoint, bool large_buffers) {
  const int socket = ::socket(endpoint.any.sa_family, SOCK_STREAM, 0);
  check(socket, "open a socket");
  const int on = 1;
  if (endpoint.any.sa_family == AF_INET) {
    check(::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "turn Nagle's algorithm off");
    check(::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "reuse the address");
  }
  if (large_buffers) {
    check(::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &kLargeBuffer, sizeof kLargeBuffer), "set the send buffer");
    check(::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &kLargeBuffer, sizeof kLargeBuffer), "set the receive buffer");
  }
  return socket;
}

}  // namespace

PlainSocket PlainSocket::listen(const std::string& address, bool large_buffers) {
  const auto [endpoint, size] = endpoint_of(address);
  PlainSocket s;
  s.listener_ = open_socket(endpoint, large_buffers);  // an accepted socket has the buffers of its listener
  check(::bind(s.listener_, &endpoint.any, size), "bind");
  check(::listen(s.listener_, 1), "listen");
  return s;
}

PlainSocket PlainSocket::connect(const std::string& address, bool large_buffers) {
  const auto [endpoint, size] = endpoint_of(address);
  PlainSocket s;
  s.socket_ = open_socket(endpoint, large_buffers);
  check(::connect(s.socket_, &endpoint.any, size), "connect");
  return s;
}

PlainSocket::~PlainSocket() {
  if (socket_ >= 0) ::close(socket_);
  if (listener_ >= 0) ::close(listener_);
}

void PlainSocket::accept_once() {
  if (socket_ >= 0) return;
  socket_ = ::accept(listener_, nullptr, nullptr);
  check(socket_, "accept");
}

void PlainSocket::send(ByteView bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    check(static_cast<int>(sent > 0 ? 1 : -1), "send");
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
}

void PlainSocket::receive(MutableByteView into) const {
  while (!into.empty()) {
    const ssize_t got = ::recv(socket_, into.data(), into.size(), 0);
    check(static_cast<int>(got > 0 ? 1 : -1), "receive");
    into = into.subspan(static_cast<std::size_t>(got));
  }
}

int PlainSocket::free_port() {
  Endpoint endpoint = endpoint_of("tcp:127.0.0.1:0").first;
  const int socket = open_socket(endpoint, false);
  socklen_t size = sizeof endpoint.tcp;
  const bool found = ::bind(socket, &endpoint.any, size) == 0 && ::getsockname(socket, &endpoint.any, &size) == 0;
  ::close(socket);
  if (!found) fail("find a free port");
  return ntohs(endpoint.tcp.sin_port);
}

}  // namespace hop::bench
