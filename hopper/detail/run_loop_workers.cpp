// The coordinator's workers: their lives, and what is said between them and the coordinator.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.h"
#include "hopper/detail/run_loop.h"
#include "hopper/detail/token.h"
#include "kernels/threads.h"

namespace hop::hopper {

using namespace std::chrono_literals;

namespace {

constexpr auto kHelloPatience = 10s;
constexpr auto kSilence = 2500ms;  // a worker speaks every 500 ms: five missed beats
constexpr auto kWatch = 250ms;
constexpr auto kGoodbyePatience = 3s;
constexpr std::uint32_t kMaxFailedStarts = 3;

Incarnation next_life(Incarnation life) { return Incarnation(life.value + 1); }

}  // namespace

RunLoop::Node* RunLoop::find(Peer peer) {
  if (peer.worker.index() >= nodes_.size()) return nullptr;
  Node& node = nodes_[peer.worker.index()];
  return node.peer == peer ? &node : nullptr;
}

void RunLoop::start_worker(Node& node) {
  node.peer.incarnation = next_life(node.peer.incarnation);
  node.state = WorkerProgress::State::Starting;
  node.alive = true;
  node.was_ready = false;
  node.heard = std::chrono::steady_clock::now();
  host_->start(node.peer);
}

void RunLoop::worker_lost(Peer peer, const std::string& why) {
  Node* node = find(peer);
  if (node == nullptr || node->state == WorkerProgress::State::Gone) return;
  node->state = WorkerProgress::State::Gone;
  node->last_error = why;
  changed_ = true;
  if (node->connection) {
    const net::Traffic traffic = node->connection->traffic();
    node->control_bytes += traffic.control_sent + traffic.control_received + node->last.control_bytes;
    node->last = {};
    node->connection->close();
    node->connection.reset();
  }
  host_->kill(peer);  // a silent process may still write to the node's disk: the next life waits until it is dead
  if (!node->was_ready) return;
  const std::vector<Lease>& leases = coordinator_.workers()[peer.worker.index()].leases;
  node->interrupted = leases.empty() ? std::nullopt : std::optional(leases.front());
  step(event::WorkerDown{peer});
  std::vector<ModelId> unanswered;
  for (const auto& [model, holder] : collecting_) {
    if (holder == peer) unanswered.push_back(model);
  }
  for (const ModelId model : unanswered) {
    collecting_.erase(model);
    step(event::CollectFailed{model, why});
  }
}

void RunLoop::worker_ended(Peer peer, const WorkerHost::End& end) {
  Node* node = find(peer);
  if (node == nullptr) return;
  const std::string& how = end.how;
  worker_lost(peer, how);
  node->alive = false;
  ended_.cancel();
  if (error_) return;
  if (!end.by_host && node->was_ready && !outcome_) step(event::WorkerCrashed{peer, how});
  if (!outcome_ || !node->epilogue.empty()) tell_loss(*node, how);
  if (outcome_) return;
  node->failed_starts = node->was_ready ? 0 : node->failed_starts + 1;
  if (node->failed_starts >= kMaxFailedStarts) {
    fail(std::make_exception_ptr(RunError("[run] worker " + std::to_string(peer.worker.value) + " ended " +
                                          std::to_string(kMaxFailedStarts) + " times before it was ready (" + how +
                                          "); its output is in " + (options_.run_directory / "log").string())));
    return;
  }
  start_worker(*node);
}

net::Awaitable<void> RunLoop::accept_workers() {
  while (true) {
    Connection connection;
    try {
      connection = co_await listener_->accept();
    } catch (const NetError&) {
      co_return;  // closed at the end of the run
    }
    spawn(serve(std::move(connection)));
  }
}

// A worker that says nothing is as good as dead. If this thread itself stood still (a stopped process, a slow
// terminal), nobody could be heard: that time does not count.
net::Awaitable<void> RunLoop::watch_silence() {
  net::asio::steady_timer timer(io_);
  auto last = std::chrono::steady_clock::now();
  while (true) {
    timer.expires_after(kWatch);
    co_await timer.async_wait(net::asio::use_awaitable);
    const auto now = std::chrono::steady_clock::now();
    const auto lag = now - last - kWatch;
    last = now;
    for (Node& node : nodes_) {
      if (lag > 2 * kWatch) node.heard += lag;
      const auto silence = now - node.heard;
      if (node.connection && silence > kSilence) worker_lost(node.peer, "silent for 2.5 s");
      if (!node.connection && node.alive && silence > kHelloPatience) host_->kill(node.peer);
    }
  }
}

net::Awaitable<Peer> RunLoop::greet(const Connection& connection) {
  const net::Message first = co_await connection->receive(net::deadline_in(kHelloPatience));
  if (first.kind != static_cast<std::uint16_t>(message::Kind::Hello)) throw NetError("[hello] expected Hello first");
  const auto hello = message::decode<message::Hello>(first.control.span());
  Node* node = find(hello.peer);
  if (node == nullptr || node->connection) throw NetError("[hello] this worker was not started by this run");
  if (!same_token(hello.token, token_)) throw NetError("[hello] a stranger says hello");
  if (hello.isa != kernels::isa()) {
    throw ConfigError("[run] worker " + std::to_string(hello.peer.worker.value) + " runs " + hello.isa +
                      " kernels, the coordinator " + std::string(kernels::isa()) + ": bits would differ");
  }
  connection->name_peer("worker " + std::to_string(hello.peer.worker.value));
  node->connection = connection;
  const message::Welcome welcome{experiment_.model.builder ? std::string() : to_toml(experiment_),
                                 std::filesystem::absolute(dataset_.folder()), experiment_.run.workers};
  const message::Bytes bytes = message::encode(welcome);
  if (outcome_) send(hello.peer, message::Shutdown{});  // it came when all was over
  co_await connection->send(static_cast<std::uint16_t>(message::Kind::Welcome), bytes);
  co_return hello.peer;
}

net::Awaitable<void> RunLoop::serve(Connection connection) {
  std::optional<Peer> peer;
  try {
    peer = co_await greet(connection);
    while (true) {
      net::Message message = co_await connection->receive();
      if (Node* node = find(*peer)) node->heard = std::chrono::steady_clock::now();
      co_await dispatch(*peer, connection, std::move(message));
    }
  } catch (const NetError& error) {
    if (peer) worker_lost(*peer, error.what());
  }
}

net::Awaitable<void> RunLoop::dispatch(Peer peer, const Connection& connection, net::Message received) {
  using message::Kind;
  const ByteView bytes = received.control.span();
  const auto kind = static_cast<Kind>(received.kind);
  if (received.payload_bytes != 0 && kind != Kind::State)
    throw NetError("[run] a worker sent a payload that nobody asked for");
  switch (kind) {
    case Kind::Heartbeat: {
      if (Node* node = find(peer)) {
        node->last = message::decode<message::Heartbeat>(bytes);
        if (node->state != WorkerProgress::State::Starting) {
          node->state = node->last.busy ? WorkerProgress::State::Busy : WorkerProgress::State::Idle;
        }
        changed_ = true;
      }
      break;
    }
    case Kind::Ready: {
      auto ready = message::decode<message::Ready>(bytes);
      if (Node* node = find(peer)) {
        node->address = ready.address;
        node->device = ready.device;
        node->was_ready = true;
        node->state = WorkerProgress::State::Idle;
      }
      step(event::WorkerUp{peer, std::move(ready.held), std::move(ready.arithmetic)});
      break;
    }
    case Kind::Result: {
      const auto m = message::decode<message::Result>(bytes);
      step(event::Result{peer, m.model, m.unit, m.attempt, m.digest, m.metrics});
      break;
    }
    case Kind::Failed: {
      const auto m = message::decode<message::Failed>(bytes);
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

net::Awaitable<void> RunLoop::receive_state(Peer, const Connection& connection, message::State state,
                                            std::uint64_t bytes) {
  if (state.model.index() >= coordinator_.ledger().models().size()) throw NetError("[collect] no such model");
  const Model& model = coordinator_.ledger().model(state.model);
  if (!collecting_.contains(state.model)) throw NetError("[collect] a state that nobody asked for");
  if (!state.found) {
    collecting_.erase(state.model);
    step(event::CollectFailed{state.model, state.text, Failure::StateLost});
    co_return;
  }
  if (bytes != model.state_bytes) {
    throw NetError("[collect] expected " + std::to_string(model.state_bytes) + " bytes, got " + std::to_string(bytes));
  }
  auto block = std::make_shared<AlignedBuffer>(bytes);
  co_await connection->receive_payload(block->span(), net::deadline_in(60s));
  collecting_.erase(state.model);
  save_collected(state.model, std::move(block), model.digest);
}

void RunLoop::send_bytes(Peer peer, std::uint16_t kind, message::Bytes bytes) {
  Node* node = find(peer);
  if (node == nullptr || !node->connection) return;  // that life is over: what it was told does not matter any more
  const auto body = [](Connection to, std::uint16_t message_kind, message::Bytes control) -> net::Awaitable<void> {
    try {
      co_await to->send(message_kind, control);
    } catch (const NetError&) {  // shows as a failed receive too, which is where it is handled
    }
  };
  net::asio::co_spawn(io_, body(node->connection, kind, std::move(bytes)), net::asio::detached);
}

net::Awaitable<void> RunLoop::shut_down() {
  for (const Node& node : nodes_) send(node.peer, message::Shutdown{});
  const net::Deadline deadline = net::deadline_in(kGoodbyePatience);
  const auto any_alive = [this] {
    for (const Node& node : nodes_) {
      if (node.alive) return true;
    }
    return false;
  };
  while (any_alive() && std::chrono::steady_clock::now() < deadline) {
    ended_.expires_at(deadline);
    boost::system::error_code ignored;
    co_await ended_.async_wait(net::asio::redirect_error(net::asio::use_awaitable, ignored));
  }
  for (const Node& node : nodes_) {
    if (node.alive) host_->kill(node.peer);
  }
  listener_->close();
  io_.stop();
}

}  // namespace hop::hopper
