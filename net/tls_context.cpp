#include "net/tls_context.h"

#include <openssl/err.h>

#include <cstring>
#include <string_view>

#include "base/error.h"

namespace hop::net {
namespace {

// The name under which the key is announced. It is public, and the same for all runs: it tells a stranger nothing.
constexpr std::string_view kIdentity = "hopscotch run";
constexpr const char* kCipherName = "TLS_AES_128_GCM_SHA256";
constexpr unsigned char kCipherNumber[2] = {0x13, 0x01};  // of kCipherName, RFC 8446, B.4
constexpr const char* kGroup = "X25519";
// One read of the system fills up to eight records: a state of 100 MB costs 800 system calls instead of 12,000.
constexpr std::size_t kReadBuffer = 8 * (SSL3_RT_MAX_PLAIN_LENGTH + SSL3_RT_MAX_ENCRYPTED_OVERHEAD);

void require(bool done, const char* what) {
  if (!done) throw NetError(std::string("[tls] OpenSSL cannot ") + what);
}

const unsigned char* identity_bytes() { return reinterpret_cast<const unsigned char*>(kIdentity.data()); }

}  // namespace

TlsContext::TlsContext(const RunKey& key, TlsSide side)
    : key_(key),
      side_(side),
      context_(SSL_CTX_new(side == TlsSide::kListener ? TLS_server_method() : TLS_client_method())) {
  SSL_CTX* context = context_.get();
  require(context != nullptr, "make a context");
  require(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1, "hold to TLS 1.3");
  require(SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1, "hold to TLS 1.3");
  require(SSL_CTX_set_ciphersuites(context, kCipherName) == 1, "use AES-128-GCM");
  require(SSL_CTX_set1_groups_list(context, kGroup) == 1, "use X25519");
  require(SSL_CTX_set_num_tickets(context, 0) == 1, "do without tickets");
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);  // frames know their lengths: a cut shows there
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, kReadBuffer);
  SSL_CTX_set_app_data(context, this);
  if (side == TlsSide::kListener) {
    SSL_CTX_set_psk_find_session_callback(context, find_key);
  } else {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);  // a certificate is no proof: the caller trusts no issuer
    SSL_CTX_set_psk_use_session_callback(context, use_key);
  }
}

SslSession TlsContext::session(BIO* bytes) const {
  SslSession session(SSL_new(context_.get()));
  if (session == nullptr) BIO_free(bytes);
  require(session != nullptr, "make a session");
  SSL_set_bio(session.get(), bytes, bytes);
  if (side_ == TlsSide::kListener) {
    SSL_set_accept_state(session.get());
  } else {
    SSL_set_connect_state(session.get());
  }
  return session;
}

// The form in which OpenSSL takes an external key: a session that was never held.
SSL_SESSION* TlsContext::session_of_key(SSL* session) const {
  const SSL_CIPHER* cipher = SSL_CIPHER_find(session, kCipherNumber);
  SSL_SESSION* made = SSL_SESSION_new();
  const auto* bytes = reinterpret_cast<const unsigned char*>(key_.bytes().data());
  if (made != nullptr && cipher != nullptr && SSL_SESSION_set1_master_key(made, bytes, RunKey::kBytes) == 1 &&
      SSL_SESSION_set_cipher(made, cipher) == 1 && SSL_SESSION_set_protocol_version(made, TLS1_3_VERSION) == 1) {
    return made;
  }
  SSL_SESSION_free(made);
  return nullptr;
}

// The listener: gives the key if the caller announced ours by name. If no key is found, the handshake goes on with
// certificates, and fails because there is none.
int TlsContext::find_key(SSL* session, const unsigned char* identity, std::size_t size, SSL_SESSION** found) {
  const auto* self = static_cast<const TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(session)));
  *found = nullptr;
  if (size != kIdentity.size() || std::memcmp(identity, kIdentity.data(), size) != 0) return 1;
  *found = self->session_of_key(session);
  return *found != nullptr ? 1 : 0;
}

// The caller. `digest` is set after a HelloRetryRequest that asks for another hash, which the key does not have.
int TlsContext::use_key(SSL* session, const EVP_MD* digest, const unsigned char** identity, std::size_t* size,
                        SSL_SESSION** used) {
  const auto* self = static_cast<const TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(session)));
  *used = nullptr;
  if (digest != nullptr && EVP_MD_get_type(digest) != NID_sha256) return 1;
  *used = self->session_of_key(session);
  *identity = identity_bytes();
  *size = kIdentity.size();
  return *used != nullptr ? 1 : 0;
}

std::string explain_tls_error(TlsSide side) {
  const unsigned long error = ERR_peek_error();
  const int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
  char text[256];
  ERR_error_string_n(error, text, sizeof text);
  ERR_clear_error();
  const bool listens = side == TlsSide::kListener;
  switch (reason) {
    case SSL_R_BINDER_DOES_NOT_VERIFY:
      return "[tls] the peer has another key than this run";
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      return "[tls] the peer speaks no TLS";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_MISSING_SIGALGS_EXTENSION:
      return "[tls] the peer speaks TLS without the key of this run";
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return "[tls] the peer showed a certificate instead of the key of this run";
    case SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER:
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_TLSV1_ALERT_INTERNAL_ERROR:
      return listens ? "[tls] the peer refused our proof of the key" : "[tls] refused: the listener has another key";
    default:
      break;
  }
  if (error == 0) return "[tls] the connection broke";
  const char* words = ERR_reason_error_string(error);
  return std::string("[tls] ") + (words != nullptr ? words : text);
}

}  // namespace hop::net
