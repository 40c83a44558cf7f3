// A stream of bytes through TLS on a connected socket.
#pragma once

#include <memory>

#include "net/socket.h"
#include "net/tls_context.h"

namespace hop::net {

/// Wraps `socket`. The first read or write does the handshake. Errors of TLS are thrown as NetError.
std::unique_ptr<Stream> make_tls_stream(StreamSocket socket, std::shared_ptr<const TlsContext> context);

}  // namespace hop::net
