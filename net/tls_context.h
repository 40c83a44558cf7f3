// TLS 1.3 with the key of a run: the settings that all connections of one side share.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "net/key.h"

namespace hop::net {

/// The side of a handshake: the listener is TLS's server, the caller its client.
enum class TlsSide { kListener, kCaller };

struct SslDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* session) const { SSL_free(session); }
};
using SslSession = std::unique_ptr<SSL, SslDeleter>;

/// OpenSSL's settings for one side. TLS 1.3 alone (RFC 8446), with the run's key as external pre-shared key and a fresh
/// X25519 secret per connection (psk_dhe_ke), so a key that leaks later opens no connection that was recorded before.
/// One cipher suite (AES-128-GCM, SHA-256). No certificates, tickets, early data or renegotiation: a peer without the
/// key ends the handshake.
class TlsContext {
 public:
  TlsContext(const RunKey& key, TlsSide side);
  TlsContext(const TlsContext&) = delete;  // OpenSSL knows its address
  TlsContext& operator=(const TlsContext&) = delete;

  /// A session that reads and writes through `bytes`, which it takes over. Throws NetError.
  SslSession session(BIO* bytes) const;

  TlsSide side() const { return side_; }

 private:
  static int find_key(SSL* session, const unsigned char* identity, std::size_t size, SSL_SESSION** found);
  static int use_key(SSL* session, const EVP_MD* digest, const unsigned char** identity, std::size_t* size,
                     SSL_SESSION** used);
  SSL_SESSION* session_of_key(SSL* session) const;

  RunKey key_;
  TlsSide side_;
  std::unique_ptr<SSL_CTX, SslDeleter> context_;
};

/// Describes OpenSSL's error on this thread in words for `side`: the peer has no key or another key, speaks plain text,
/// or is gone. Empties OpenSSL's list of errors.
std::string explain_tls_error(TlsSide side);

}  // namespace hop::net
