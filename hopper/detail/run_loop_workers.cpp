// The conversations between the coordinator and its workers. All functions run on the loop's thread.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <iterator>
#include <new>
#include <utility>

#include "base/error.h"
#include "hopper/detail/handshake.h"
#include "hopper/detail/library_id.h"
#include "hopper/detail/patience.h"
#include "hopper/detail/run_loop.h"
#include "kernels/threads.h"

namespace hop::hopper {

using namespace std::chrono_literals;

namespace {

constexpr auto kHelloPatience = 10s;
constexpr std::size_t kMaxHeldStates = 8 * kMostModels;  // of one worker: states of every model, and older ones

// Uninitialised: clearing gigabytes would take this thread a second.
AlignedBuffer unclear_buffer(std::uint64_t bytes) {
  auto* data = static_cast<std::byte*>(allocate_block(bytes));
  if (data == nullptr) throw std::bad_alloc();
  return AlignedBuffer(data, bytes, [](std::byte* block) { free_block(block); });
}

}  // namespace

net::Awaitable<void> RunLoop::accept_workers() {
  while (true) {
    try {
      net::Door::Visitor visitor = co_await door_->next();
      spawn(serve(std::move(visitor)));
    } catch (const NetError&) {
      co_return;  // closed at the end of the run
    }
  }
}

// Why this caller, which belongs to the run, cannot be the worker that it claims to be; empty if it can.
std::string RunLoop::check_hello(const message::Hello& hello) {
  const std::string name = "worker " + std::to_string(hello.peer.worker.value);
  if (find(hello.peer) == nullptr || find(hello.peer)->connection) {
    return "[hello] expected a worker that this run has started, got " + name + " in its life " +
           std::to_string(hello.peer.incarnation.value);
  }
  if (hello.library != library_id()) {
    return "[hello] expected a worker with the library " + std::string(library_id()) + ", got " + name + " with " +
           hello.library + ": bits could differ";
  }
  return {};
}

net::Awaitable<Peer> RunLoop::greet(net::Door::Visitor& visitor) {
  const Connection connection = visitor.connection;
  const auto on_word = [&visitor] { visitor.place.spoke(); };
  const message::Hello hello =
      co_await examine(connection, HostRole::Coordinator, token_, net::deadline_in(kHelloPatience), on_word);
  visitor.place.leave();
  if (const std::string reason = check_hello(hello); !reason.empty()) {
    co_await refuse(connection, reason);
    const Node* expected = find(hello.peer);
    if (expected != nullptr && !expected->connection) worker_lost(hello.peer, reason, Loss::Crash);
    throw NetError(reason);
  }
  Node* node = find(hello.peer);
  if (hello.isa != kernels::isa()) {
    throw ConfigError("[run] worker " + std::to_string(hello.peer.worker.value) + " runs " + hello.isa +
                      " kernels, the coordinator " + std::string(kernels::isa()) + ": bits would differ");
  }
  connection->name_peer("worker " + std::to_string(hello.peer.worker.value));
  node->connection = connection;
  node->pulse.start(std::chrono::steady_clock::now());
  const message::Welcome welcome{std::filesystem::absolute(dataset_.folder()), experiment_.run.workers};
  const message::Bytes bytes = message::encode(welcome);
  const std::string text = experiment_.model.builder ? std::string() : to_toml(experiment_);
  co_await connection->send(static_cast<std::uint16_t>(message::Kind::Welcome), bytes, as_bytes(text));
  if (outcome_) send(hello.peer, message::Shutdown{});  // it came after the end of the run
  co_return hello.peer;
}

net::Awaitable<void> RunLoop::serve(net::Door::Visitor visitor) {
  const Connection connection = visitor.connection;
  std::optional<Peer> peer;
  try {
    peer = co_await greet(visitor);
    while (true) {
      net::Message message = co_await connection->receive();
      co_await dispatch(*peer, connection, std::move(message));
    }
  } catch (const NetError& error) {
    if (peer) {
      worker_lost(*peer, error.what(), Loss::Crash);
    } else {
      connection->close();
      const std::string line = refused_.line(std::string("a visitor was refused: ") + error.what());
      if (!line.empty() && !outcome_) notice(line);
    }
  }
}

net::Awaitable<void> RunLoop::dispatch(Peer peer, const Connection& connection, net::Message received) {
  using message::Kind;
  const ByteView bytes = received.control.span();
  const auto kind = static_cast<Kind>(received.kind);
  const auto now = std::chrono::steady_clock::now();
  if (received.payload_bytes != 0 && kind != Kind::State)
    throw NetError("[run] a worker sent a payload that nobody asked for");
  switch (kind) {
    case Kind::Heartbeat: {
      if (Node* node = find(peer)) {
        node->last = message::decode<message::Heartbeat>(bytes);
        node->pulse.beat(node->last.progress, now);
        if (node->state != WorkerProgress::State::Starting) {
          node->state = node->last.busy ? WorkerProgress::State::Busy : WorkerProgress::State::Idle;
        }
        changed_ = true;
      }
      break;
    }
    case Kind::Held: {
      auto page = message::decode<message::Held>(bytes);
      Node* node = find(peer);
      if (node == nullptr) break;
      if (node->was_ready || node->held.size() + page.states.size() > kMaxHeldStates) {
        throw NetError("[held] expected at most " + std::to_string(kMaxHeldStates) + " states, before Ready");
      }
      std::ranges::move(page.states, std::back_inserter(node->held));
      node->pulse.move(now);
      break;
    }
    case Kind::Ready: {
      auto ready = message::decode<message::Ready>(bytes);
      Node* node = find(peer);
      if (node == nullptr) break;
      if (ready.held != node->held.size()) {
        throw NetError("[held] expected " + std::to_string(ready.held) + " states, got " +
                       std::to_string(node->held.size()));
      }
      node->address = ready.address;
      node->device = ready.device;
      node->was_ready = true;
      node->state = WorkerProgress::State::Idle;
      node->pulse.move(now);
      step(event::WorkerUp{peer, std::exchange(node->held, {}), std::move(ready.arithmetic)});
      break;
    }
    case Kind::Notice: {
      const auto m = message::decode<message::Notice>(bytes);
      notice(m.text);
      break;
    }
    case Kind::Result: {
      const auto m = message::decode<message::Result>(bytes);
      note_work(peer);
      patience_.unit_took(m.metrics.seconds, m.metrics.state_bytes);
      step(event::Result{peer, m.model, m.unit, m.attempt, m.digest, m.metrics});
      break;
    }
    case Kind::Failed: {
      const auto m = message::decode<message::Failed>(bytes);
      note_work(peer);
      step(event::UnitFailed{peer, m.model, m.unit, m.attempt, m.failure, m.text});
      break;
    }
    case Kind::Fatal: {
      const auto m = message::decode<message::Fatal>(bytes);
      if (m.kind == message::FatalKind::Config) throw ConfigError(m.text);
      if (m.kind == message::FatalKind::Data) throw DataError(m.text);
      throw RunError(m.text);
    }
    case Kind::State:
      co_await receive_state(peer, connection, message::decode<message::State>(bytes), received.payload_bytes);
      break;
    default:
      throw NetError("[run] unexpected message of kind " + std::to_string(received.kind));
  }
}

// Notes that this life of the worker did some work.
void RunLoop::note_work(Peer peer) {
  Node* node = find(peer);
  if (node == nullptr) return;
  node->has_worked = true;
  node->pulse.move(std::chrono::steady_clock::now());
}

net::Awaitable<void> RunLoop::receive_state(Peer peer, const Connection& connection, message::State state,
                                            std::uint64_t bytes) {
  if (state.model.index() >= coordinator_.ledger().models().size()) throw NetError("[collect] no such model");
  const Model& model = coordinator_.ledger().model(state.model);
  const Digest digest = model.digest;  // the model may change while the bytes arrive
  if (!collecting_.contains(state.model)) throw NetError("[collect] a state that nobody asked for");
  if (!state.found) {
    collecting_.erase(state.model);
    step(event::CollectFailed{state.model, state.text, state.unreadable ? Failure::StateDamaged : Failure::StateLost});
    co_return;
  }
  if (bytes != model.state_bytes) {
    throw NetError("[collect] expected " + std::to_string(model.state_bytes) + " bytes, got " + std::to_string(bytes));
  }
  const auto block = std::make_shared<AlignedBuffer>(unclear_buffer(bytes));
  if (Node* node = find(peer)) node->is_sending_state = true;
  co_await connection->receive_payload(block->span(), patience_with_state(bytes));
  if (Node* node = find(peer)) node->is_sending_state = false;
  note_work(peer);
  collecting_.erase(state.model);
  save_collected(state.model, block, digest);
}

void RunLoop::send_bytes(Peer peer, std::uint16_t kind, message::Bytes bytes) {
  Node* node = find(peer);
  if (node == nullptr || !node->connection) return;  // this life is over, so the message does not matter any more
  const auto body = [](Connection to, std::uint16_t message_kind, message::Bytes control) -> net::Awaitable<void> {
    try {
      co_await to->send(message_kind, control);
    } catch (const NetError&) {  // the receive fails, too, and handles the error
    }
  };
  net::asio::co_spawn(io_, body(node->connection, kind, std::move(bytes)), net::asio::detached);
}

}  // namespace hop::hopper
