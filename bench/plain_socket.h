// Blocking sockets without anything: the yardstick of hop/ rows.
#pragma once

#include <string>
#include <utility>

#include "base/bytes.h"

namespace hop::bench {

class PlainSocket {
 public:
  /// `address` as net/transport.h writes it: unix:PATH, tcp:127.0.0.1:PORT or tls:127.0.0.1:PORT (the bytes
  /// stay plain: plain_tls.h). `large_buffers` asks for the largest
  /// buffers that the kernel gives; else it sizes them by itself.
  static PlainSocket listen(const std::string& address, bool large_buffers);
  static PlainSocket connect(const std::string& address, bool large_buffers);
  ~PlainSocket();
  PlainSocket(PlainSocket&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), listener_(std::exchange(other.listener_, -1)) {}
  PlainSocket& operator=(PlainSocket&&) = delete;

  /// Waits for the connection, the first time.
  void accept_once();
  /// All of it, by as few calls as the kernel allows. Throw NetError when the peer is gone.
  void send(ByteView bytes) const;
  void receive(MutableByteView into) const;

  int descriptor() const { return socket_; }

  /// A TCP port of the loopback interface that nobody listens on.
  static int free_port();

 private:
  PlainSocket() = default;
  int socket_ = -1, listener_ = -1;
};

}  // namespace hop::bench
