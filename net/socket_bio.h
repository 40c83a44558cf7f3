// OpenSSL's way to a socket: a BIO that never waits.
#pragma once

#include <openssl/bio.h>

namespace hop::net {

/// The socket under a TLS session. OpenSSL's own socket BIO is not used: it writes with write(), so a peer that is gone
/// would end our process with SIGPIPE.
struct SocketEnd {
  int descriptor = -1;  ///< -1 once the stream is closed: the number may belong to another file by then
  bool ended = false;   ///< the peer has sent all that it will send
  int error = 0;        ///< the system's last error; 0 if there was none
};

/// A new BIO on `end`, which must outlive it. Reads and writes that would wait fail at once and may be tried again.
BIO* make_socket_bio(SocketEnd& end);

}  // namespace hop::net
