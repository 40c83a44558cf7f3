#include "bench/plain_tls.h"

#include <openssl/bio.h>

#include "base/error.h"

namespace hop::bench {
namespace {

void check(int result, const char* what) {
  if (result != 1) throw NetError(std::string("[plain] cannot ") + what + " through TLS");
}

}  // namespace

net::RunKey bench_key() { return net::RunKey::of(AlignedBuffer(net::RunKey::kBytes).span()); }

// The handshake is a part of the first call.
SSL* PlainTls::session() {
  if (!session_) {
    session_ = context_->session(BIO_new_socket(socket_.descriptor(), BIO_NOCLOSE));
    SSL_clear_mode(session_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE);
  }
  return session_.get();
}

void PlainTls::send(ByteView bytes) {
  std::size_t written = 0;
  check(SSL_write_ex(session(), bytes.data(), bytes.size(), &written), "send");
}

void PlainTls::receive(MutableByteView into) {
  while (!into.empty()) {
    std::size_t got = 0;
    check(SSL_read_ex(session(), into.data(), into.size(), &got), "receive");
    into = into.subspan(got);
  }
}

}  // namespace hop::bench
