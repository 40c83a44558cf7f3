// A conversation over a connection, in messages instead of bytes. Internal to Hopscotch.
//
//   co_await send(worker, order);
//   const auto ready = co_await receive<message::Ready>(worker, deadline);
//   const auto said = co_await receive<message::ToCoordinator>(worker);       // one of several: a variant
//   std::visit(Handlers{[&](const message::Notice& m) { .. }, [&](const message::Held& m) { .. }, ..}, said);
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/error.h"
#include "hopper/detail/messages.h"
#include "net/connection.h"

namespace hop::hopper {

/// The other side refuses this process and says why. Calling again helps only if it says so, or with another
/// instruction set, if it names one.
struct RefusedError : NetError {
  explicit RefusedError(const std::string& why, bool again = false, std::string with = {})
      : NetError(why), may_ask_again(again), isa(std::move(with)) {}
  bool may_ask_again;
  std::string isa;
};

/// Sends a message, and `payload` behind it; the payload's bytes outlive the call. As Connection::send.
template <class M>
net::Awaitable<void> send(std::shared_ptr<net::Connection> to, M m, ByteView payload = {}, net::Patience patience = {},
                          std::shared_ptr<net::ChunkHeaders> headers = {}) {
  const message::Bytes bytes = message::encode(m);
  co_await to->send(message::kKind<M>, bytes, payload, patience, std::move(headers));
}

/// From a message to its handler: one function for each message of a list. For std::visit.
template <class... F>
struct Handlers : F... {
  using F::operator()...;
};
template <class... F>
Handlers(F...) -> Handlers<F...>;

namespace detail {

/// Whether a payload may follow the message.
template <class M>
concept HasPayload = requires(M m) {
  m.payload_bytes;
};

template <class M>
M message_in(const net::Message& received) {
  M m = message::decode<M>(received.control.span());
  if constexpr (HasPayload<M>) {
    m.payload_bytes = received.payload_bytes;
  } else if (received.payload_bytes != 0) {
    throw NetError("[message] a payload that nobody asked for came with " + message::name_of(received.kind));
  }
  return m;
}

[[noreturn]] void fail_unexpected(const net::Message& received, const std::string& expected);

template <class... M>
void read_one_of(const net::Message& received, std::variant<M...>& m) {
  const bool is_expected = ((received.kind == message::kKind<M> && (m = message_in<M>(received), true)) || ...);
  if (is_expected) return;
  std::string names;
  ((names += (names.empty() ? "" : " or ") + message::name_of(message::kKind<M>)), ...);
  fail_unexpected(received, names);
}
template <class M>
void read_one_of(const net::Message& received, M& m) {
  if (received.kind != message::kKind<M>) fail_unexpected(received, message::name_of(message::kKind<M>));
  m = message_in<M>(received);
}

}  // namespace detail

/// The message that was received: `M`, or one of `M` if that is a variant. Throws RefusedError if the other side
/// refuses; NetError for another message, a damaged one, or a payload where none belongs.
template <class M>
M expect(const net::Message& received) {
  M m;
  detail::read_one_of(received, m);
  return m;
}

/// The next message, which must be as in expect(). The payload, if there is one, must be taken next.
template <class M>
net::Awaitable<M> receive(std::shared_ptr<net::Connection> from, net::Patience patience = {}) {
  const net::Message received = co_await from->receive(patience);
  co_return expect<M>(received);
}

}  // namespace hop::hopper
