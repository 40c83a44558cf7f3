// Copies of other workers' states, so that a node can be lost with its disk and nothing is trained again. fetch_copy()
// and copy() run on the network thread, save_copy() on the disk thread.
#include <algorithm>
#include <utility>

#include "base/error.h"
#include "hopper/detail/patience.h"
#include "hopper/detail/state_fields.h"
#include "hopper/detail/worker.h"
#include "nn/state_file.h"

namespace hop::hopper {

namespace {

constexpr std::uint64_t kMaxHeaderBytes = std::uint64_t{64} << 20;

net::Awaitable<std::uint64_t> receive_found(std::shared_ptr<net::Connection> from, net::Patience patience) {
  const auto state = co_await receive<message::State>(from, patience);
  if (!state.found || state.unreadable) throw NetError("[copy] " + state.text);
  co_return state.payload_bytes;
}

void require_bytes(const char* what, std::uint64_t most, std::uint64_t got) {
  if (got > 0 && got <= most) return;
  throw NetError(std::string("[copy] expected ") + what + " of 1 to " + std::to_string(most) + " bytes, got " +
                 std::to_string(got));
}

}  // namespace

// An error costs the copy, and nothing else.
net::Awaitable<void> Worker::copy(Copy order, std::string address) {
  worker::Event outcome = worker::event::CopyFailed{order.attempt, "[copy] no memory"};
  try {
    auto arrived = std::make_shared<ArrivedCopy>(co_await fetch_copy(order, std::move(address)));
    const Digest digest = co_await digest_of(order.attempt, arrived->bytes);
    outcome = worker::event::CopyArrived{order.attempt, digest};
    const std::scoped_lock lock(mutex_);
    copies_[order.attempt] = std::move(arrived);
  } catch (const std::exception& error) {
    outcome = worker::event::CopyFailed{order.attempt, error.what()};
  }
  step(std::move(outcome));
  const std::scoped_lock lock(mutex_);
  const auto is_it = [&](const worker::CopyJob& job) { return job.copy.attempt == order.attempt; };
  if (std::ranges::none_of(jobs_.copies(), is_it)) copies_.erase(order.attempt);  // it was given up meanwhile
}

net::Awaitable<Worker::ArrivedCopy> Worker::fetch_copy(Copy order, std::string address) {
  ArrivedCopy arrived;
  arrived.bytes = co_await room_for(order.attempt, order.bytes);
  const Connection peer = co_await call_source(order.attempt, address);
  const message::Fetch request{order.owner(), order.version, order.source, run_, true};
  co_await send(peer, request);
  const std::uint64_t header_bytes = co_await receive_found(peer, patience_with_answer(address));
  require_bytes("a header", kMaxHeaderBytes, header_bytes);
  arrived.header.resize(header_bytes);
  co_await peer->receive_payload(arrived.header, patience_with_state(header_bytes));
  const std::uint64_t state_bytes = co_await receive_found(peer, patience_with_answer(address));
  if (state_bytes != order.bytes) {
    throw NetError("[copy] expected a state of " + std::to_string(order.bytes) + " bytes, " + address + " sends " +
                   std::to_string(state_bytes));
  }
  co_await peer->receive_payload(arrived.bytes->span(), patience_with_state(state_bytes));
  const net::Traffic traffic = peer->traffic();
  peer_control_bytes_ += traffic.control_sent + traffic.control_received;
  arrived.received = traffic.payload_received;
  peer->close();
  co_return arrived;
}

// Under the names of the order: a clone's first state lies in its parent's name at the source. A disk without room for
// a copy still has room for the states of its own units, which replace others.
void Worker::save_copy(const Copy& order, const ArrivedCopy& arrived) {
  std::optional<worker::Event> outcome;
  try {
    const nn::StateHeader header = nn::decode_state_header(arrived.header, "[copy] the header of a state");
    HeldState state = from_header(header);
    state.model = order.model;
    state.version = order.version;
    state.attempt = order.attempt;
    const ByteView block = std::as_const(*arrived.bytes).span();
    if (header.layout.bytes != block.size()) throw StateError("[copy] expected a header of this state, got another");
    outcome = worker::event::CopySaved{order.attempt, store_->put_copy(state, header.layout, block)};
  } catch (const std::exception& error) {
    outcome = worker::event::CopyFailed{order.attempt, error.what()};
  }
  step(*std::move(outcome));
}

}  // namespace hop::hopper
