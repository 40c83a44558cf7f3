// OpenSSL on a blocking socket without anything: the yardstick of the row hop/tls.
#pragma once

#include <memory>

#include "bench/plain_socket.h"
#include "net/tls_context.h"

namespace hop::bench {

/// The key of both ends: a bench hides nothing.
net::RunKey bench_key();

/// SSL_write and SSL_read on OpenSSL's own socket, with the cipher and the key of our side.
class PlainTls {
 public:
  PlainTls(PlainSocket socket, net::TlsSide side)
      : socket_(std::move(socket)), context_(std::make_unique<net::TlsContext>(bench_key(), side)) {}

  /// Waits for the connection, the first time.
  void accept_once() { socket_.accept_once(); }
  void send(ByteView bytes);
  void receive(MutableByteView into);

 private:
  SSL* session();

  PlainSocket socket_;
  std::unique_ptr<net::TlsContext> context_;
  net::SslSession session_;
};

}  // namespace hop::bench
