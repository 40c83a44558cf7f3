#include "hopper/detail/handshake.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include <chrono>
#include <cstring>

#include "base/words.h"

namespace hop::hopper {
namespace {

using message::Bits256;
using message::Bytes;
using namespace std::chrono_literals;

constexpr auto kPatienceWithRefused = 1s;

Bits256 make_nonce() {
  Bits256 nonce{};
  if (::getrandom(nonce.data(), sizeof nonce, 0) != static_cast<ssize_t>(sizeof nonce)) {
    throw RunError("[hello] the operating system gives no random numbers");
  }
  return nonce;
}

// HMAC-SHA-256 over the prover's role, the caller's Hello and the host's nonce. Each side brings a nonce, so a proof
// cannot be played again. Each role has its own words, so a proof cannot be sent back to its maker.
Bits256 prove(const std::string& secret, HostRole role, const char* prover, ByteView hello, const Bits256& host_nonce) {
  std::string text = std::string("hopscotch 2, ") + (role == HostRole::Coordinator ? "coordinator" : "worker") +
                     " is called, proof of the " + prover + ": ";
  text += as_text(std::as_bytes(std::span(host_nonce)));
  text += as_text(hello);
  Bits256 proof{};
  unsigned size = sizeof proof;
  const auto* data = reinterpret_cast<const unsigned char*>(text.data());
  if (::HMAC(::EVP_sha256(), secret.data(), static_cast<int>(secret.size()), data, text.size(),
             reinterpret_cast<unsigned char*>(proof.data()), &size) == nullptr) {
    throw RunError("[hello] OpenSSL gives no HMAC-SHA-256");
  }
  return proof;
}

// Compares in constant time.
bool same(const Bits256& a, const Bits256& b) { return ::CRYPTO_memcmp(a.data(), b.data(), sizeof a) == 0; }

/// The next message of a peer that has not proven its identity yet.
template <class M>
net::Awaitable<M> receive_small(std::shared_ptr<net::Connection> from, net::Deadline deadline) {
  const net::Message received = co_await from->receive_small(kMaxStrangersBytes, deadline);
  co_return expect<M>(received);
}

net::Awaitable<message::Hello> examine_quietly(const std::shared_ptr<net::Connection>& caller, HostRole role,
                                               const std::string& secret, net::Deadline deadline,
                                               const std::function<void()>& on_word) {
  const net::Message first = co_await caller->receive_small(kMaxStrangersBytes, deadline);
  if (on_word) on_word();
  message::Hello hello = expect<message::Hello>(first);
  const ByteView said = first.control.span();
  message::Challenge challenge;
  challenge.nonce = make_nonce();
  challenge.proof = prove(secret, role, "host", said, challenge.nonce);
  co_await send(caller, challenge, {}, deadline);
  const auto answer = co_await receive_small<message::Answered>(caller, deadline);
  if (!same(answer.proof, prove(secret, role, "caller", said, challenge.nonce))) {
    throw NetError("[hello] the caller does not know this run's secret");
  }
  co_return hello;
}

}  // namespace

net::Awaitable<void> introduce_self(std::shared_ptr<net::Connection> host, HostRole role, std::string secret,
                                    message::Hello hello, net::Deadline deadline) {
  hello.nonce = make_nonce();
  const Bytes said = message::encode(hello);
  co_await send(host, hello, {}, deadline);
  const auto challenge = co_await receive_small<message::Challenge>(host, deadline);
  if (!same(challenge.proof, prove(secret, role, "host", said, challenge.nonce))) {
    throw NetError("[hello] the process at this address does not know the run's secret");
  }
  const message::Answered answer{prove(secret, role, "caller", said, challenge.nonce)};
  co_await send(host, answer, {}, deadline);
}

net::Awaitable<message::Hello> examine(std::shared_ptr<net::Connection> caller, HostRole role, std::string secret,
                                       net::Deadline deadline, std::function<void()> on_word) {
  std::string reason;
  try {
    co_return co_await examine_quietly(caller, role, secret, deadline, on_word);
  } catch (const NetError& error) {
    reason = error.what();
  }
  co_await refuse(caller, reason);
  throw NetError(reason);
}

net::Awaitable<void> refuse(std::shared_ptr<net::Connection> caller, std::string reason, bool may_ask_again,
                            std::string isa) {
  try {
    const message::Refused refused{printable(reason, kMaxStrangersBytes / 2), may_ask_again,
                                   isa.empty() ? std::nullopt : std::optional(std::move(isa))};
    co_await send(caller, refused, {}, net::deadline_in(kPatienceWithRefused));
  } catch (const NetError&) {  // the caller is gone and cannot be told
  }
  caller->close();
}

}  // namespace hop::hopper
