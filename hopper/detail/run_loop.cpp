#include "hopper/detail/run_loop.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.h"
#include "hopper/detail/model_file.h"
#include "hopper/detail/process_host.h"
#include "hopper/detail/thread_host.h"
#include "kernels/threads.h"

namespace hop::hopper {

using namespace std::chrono_literals;
using net::asio::post;
using net::asio::use_awaitable;

namespace {

constexpr auto kHelloPatience = 10s;
constexpr auto kSilence = 2500ms;  // a worker speaks every 500 ms: five missed beats
constexpr auto kGoodbyePatience = 3s;
constexpr std::uint32_t kMaxFailedStarts = 3;

Incarnation next_life(Incarnation life) { return Incarnation(life.value + 1); }

}  // namespace

RunLoop::RunLoop(const Experiment& experiment, const data::Dataset& dataset, const RunOptions& options,
                 Journal& journal, Coordinator& coordinator)
    : experiment_(experiment), dataset_(dataset), options_(options), journal_(journal), coordinator_(coordinator) {
  const net::Executor executor = io_.get_executor();
  const auto on_exit = [this](Peer peer, const std::string& how) { worker_ended(peer, how); };
  if (options.hosting == Hosting::Threads) {
    memory_ = std::make_shared<net::MemoryNetwork>();
    transport_ = std::make_unique<net::MemoryTransport>(executor, memory_);
    listener_ = transport_->listen(net::Address::memory("coordinator"));
    host_ =
        std::make_unique<ThreadHost>(executor, ThreadHostOptions{experiment_, memory_, options.run_directory}, on_exit);
  } else {
    const bool tcp = experiment.run.transport == LocalTransport::Tcp;
    transport_ = net::make_transport(tcp ? net::Address::Scheme::kTcp : net::Address::Scheme::kUnix, executor);
    if (!tcp) sockets_ = std::make_unique<net::SocketDirectory>();
    listener_ = transport_->listen(tcp ? net::Address::tcp("127.0.0.1", 0) : sockets_->address("coordinator"));
    const ProcessHostOptions host{options.program, listener_->address().text(), options.run_directory};
    host_ = std::make_unique<ProcessHost>(executor, host, on_exit);
  }
  nodes_.resize(experiment.run.workers);
  for (std::size_t w = 0; w < nodes_.size(); ++w) nodes_[w].peer.worker = WorkerId(static_cast<std::uint32_t>(w));
}

RunLoop::~RunLoop() {
  if (options_.control != nullptr) options_.control->attach(nullptr);
  disk_.join();
}

Outcome RunLoop::run() {
  if (options_.control != nullptr) {
    options_.control->attach([this](bool abort) { post(io_, [this, abort] { request_stop(abort); }); });
  }
  spawn(accept_workers());
  step(event::Started{});
  for (Node& node : nodes_) start_worker(node);
  schedule_progress();
  io_.run();
  report_progress();
  if (error_) std::rethrow_exception(error_);
  return outcome_.value_or(Outcome::Interrupted);
}

RunTotals RunLoop::totals() const {
  RunTotals totals;
  totals.seconds = clock_.seconds();
  for (const Node& node : nodes_) {
    totals.control_bytes += node.control_bytes + node.last.control_bytes;
    if (node.connection) {
      const net::Traffic traffic = node.connection->traffic();
      totals.control_bytes += traffic.control_sent + traffic.control_received;
    }
  }
  for (const Model& model : coordinator_.ledger().models()) {
    if (model.file) totals.collect_bytes += model.file->bytes;
  }
  return totals;
}

// --- lives of workers ---------------------------------------------------------------------------------------------

RunLoop::Node* RunLoop::find(Peer peer) {
  if (peer.worker.index() >= nodes_.size()) return nullptr;
  Node& node = nodes_[peer.worker.index()];
  return node.peer == peer ? &node : nullptr;
}

void RunLoop::start_worker(Node& node) {
  node.peer.incarnation = next_life(node.peer.incarnation);
  node.state = WorkerProgress::State::Starting;
  node.alive = true;
  host_->start(node.peer);
}

void RunLoop::worker_lost(Peer peer, const std::string& why) {
  Node* node = find(peer);
  if (node == nullptr || node->state == WorkerProgress::State::Gone) return;
  const bool was_ready = node->state != WorkerProgress::State::Starting;
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
  if (was_ready) step(event::WorkerDown{peer});
}

void RunLoop::worker_ended(Peer peer, const std::string& how) {
  Node* node = find(peer);
  if (node == nullptr) return;
  const bool never_ready = node->state == WorkerProgress::State::Starting;
  worker_lost(peer, how);
  node->alive = false;
  ended_.cancel();
  if (outcome_ || error_) return;
  node->failed_starts = never_ready ? node->failed_starts + 1 : 0;
  if (node->failed_starts >= kMaxFailedStarts) {
    fail(std::make_exception_ptr(RunError("[run] worker " + std::to_string(peer.worker.value) + " ended " +
                                          std::to_string(kMaxFailedStarts) + " times before it was ready (" + how +
                                          "); its output is in " + (options_.run_directory / "log").string())));
    return;
  }
  start_worker(*node);
}

// --- conversations --------------------------------------------------------------------------------------------------

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

net::Awaitable<Peer> RunLoop::greet(const Connection& connection) {
  const net::Message first = co_await connection->receive(net::deadline_in(kHelloPatience));
  if (first.kind != static_cast<std::uint16_t>(message::Kind::Hello)) throw NetError("[hello] expected Hello first");
  const auto hello = message::decode<message::Hello>(first.control.span());
  Node* node = find(hello.peer);
  if (node == nullptr || node->connection) throw NetError("[hello] this worker was not started by this run");
  if (hello.isa != kernels::isa()) {
    throw ConfigError("[run] worker " + std::to_string(hello.peer.worker.value) + " runs " + hello.isa +
                      " kernels, the coordinator " + std::string(kernels::isa()) + ": bits would differ");
  }
  connection->name_peer("worker " + std::to_string(hello.peer.worker.value));
  node->connection = connection;
  const message::Welcome welcome{experiment_.model.builder ? std::string() : to_toml(experiment_),
                                 std::filesystem::absolute(dataset_.folder()), experiment_.run.workers};
  co_await connection->send(static_cast<std::uint16_t>(message::Kind::Welcome), message::encode(welcome));
  co_return hello.peer;
}

net::Awaitable<void> RunLoop::serve(Connection connection) {
  std::optional<Peer> peer;
  try {
    peer = co_await greet(connection);
    while (true) {
      net::Message message = co_await connection->receive(net::deadline_in(kSilence));
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
        node->state = WorkerProgress::State::Idle;
      }
      step(event::WorkerUp{peer, std::move(ready.held)});
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
  if (!state.found) {
    step(event::CollectFailed{state.model, state.text});
    co_return;
  }
  if (bytes != model.state_bytes) {
    throw NetError("[collect] expected " + std::to_string(model.state_bytes) + " bytes, got " + std::to_string(bytes));
  }
  auto block = std::make_shared<AlignedBuffer>(bytes);
  co_await connection->receive_payload(block->span(), net::deadline_in(60s));
  save_collected(state.model, std::move(block), model.digest);
}

template <class T>
void RunLoop::send(Peer peer, const T& value) {
  Node* node = find(peer);
  if (node == nullptr || !node->connection) return;  // that life is over: what it was told does not matter any more
  // A failed send shows as a failed receive too, which is where it is handled.
  net::asio::co_spawn(
      io_,
      [](Connection connection, message::Bytes bytes) -> net::Awaitable<void> {
        try {
          co_await connection->send(static_cast<std::uint16_t>(message::kKind<T>), bytes);
        } catch (const NetError&) {
        }
      }(node->connection, message::encode(value)),
      net::asio::detached);
}

// --- the state machine ----------------------------------------------------------------------------------------------

void RunLoop::step(Event event) {
  events_.push_back(std::move(event));
  if (stepping_) return;
  stepping_ = true;
  while (!events_.empty() && !coordinator_.finished()) {
    const Event next = std::move(events_.front());
    events_.pop_front();
    for (const Action& action : coordinator_.step(next, clock_.elapsed())) {
      std::visit([this](const auto& a) { execute(a); }, action);
    }
  }
  events_.clear();
  stepping_ = false;
  changed_ = true;
  if (dirty_ && !syncing_) sync_journal();
}

void RunLoop::execute(const action::Append& a) {
  const std::uint64_t sequence = journal_.append(a.record);
  if (sequence != a.sequence) throw JournalError("[run] the journal and the coordinator count differently");
  dirty_ = true;
}

void RunLoop::execute(const action::SendLease& a) {
  message::LeaseOrder order{a.lease, std::nullopt, coordinator_.ledger().model(a.lease.model).config.to_json()};
  if (a.lease.source) order.source_address = nodes_.at(a.lease.source->index()).address;
  send(a.peer, order);
}

void RunLoop::execute(const action::CancelLease& a) { send(a.peer, message::Cancel{a.model, a.attempt}); }
void RunLoop::execute(const action::Answer& a) { send(a.peer, message::Answer{a.model, a.unit, a.attempt, a.verdict}); }
void RunLoop::execute(const action::Release& a) { send(a.peer, message::Release{a.model, a.version}); }
void RunLoop::execute(const action::SendCollect& a) {
  send(a.peer, message::Collect{a.model, a.version, a.digest, coordinator_.ledger().model(a.model).config.to_json()});
}

void RunLoop::execute(const action::SetTimer& a) {
  auto timer = std::make_shared<net::asio::steady_timer>(
      io_,
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::max(a.at - clock_.elapsed(), Time::zero())));
  timer->async_wait([this, timer](const boost::system::error_code& error) {
    if (!error && !outcome_) step(event::Timer{});
  });
}

void RunLoop::execute(const action::Finish& a) {
  outcome_ = a.outcome;
  spawn(shut_down());
}

// Group commit: while one sync waits for the disk, the next records gather.
void RunLoop::sync_journal() {
  dirty_ = false;
  syncing_ = true;
  post(disk_, [this] {
    std::uint64_t sequence = 0;
    std::exception_ptr error;
    try {
      sequence = journal_.sync();
    } catch (...) {
      error = std::current_exception();
    }
    post(io_, [this, sequence, error] {
      syncing_ = false;
      if (error) return fail(error);
      step(event::Synced{sequence});
    });
  });
}

void RunLoop::save_collected(ModelId id, std::shared_ptr<AlignedBuffer> block, const Digest& expected) {
  post(disk_, [this, id, block, expected, config = coordinator_.ledger().model(id).config] {
    Event event = event::CollectFailed{id, "the state arrived damaged"};
    std::exception_ptr error;
    try {
      if (xxh3_128(block->span()) == expected) {
        const std::string sha256 = write_model_file(model_file_path(options_.run_directory, id), experiment_, dataset_,
                                                    id, config, block->span());
        event = event::Collected{id, block->size(), sha256};
      }
    } catch (...) {
      error = std::current_exception();
    }
    post(io_, [this, event, error] {
      if (error) return fail(error);
      step(event);
    });
  });
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
    co_await ended_.async_wait(net::asio::redirect_error(use_awaitable, ignored));
  }
  for (const Node& node : nodes_) {
    if (node.alive) host_->kill(node.peer);
  }
  listener_->close();
  io_.stop();
}

// --- the outside ----------------------------------------------------------------------------------------------------

void RunLoop::request_stop(bool abort) {
  if (!abort) return step(event::StopRequested{});
  outcome_ = Outcome::Interrupted;
  for (const Node& node : nodes_) host_->kill(node.peer);
  io_.stop();
}

void RunLoop::fail(std::exception_ptr error) {
  if (!error_) error_ = std::move(error);
  for (const Node& node : nodes_) host_->kill(node.peer);
  io_.stop();
}

void RunLoop::spawn(net::Awaitable<void> coroutine) {
  net::asio::co_spawn(io_, std::move(coroutine), [this](std::exception_ptr error) {
    if (error) fail(error);
  });
}

void RunLoop::schedule_progress() {
  if (!options_.on_progress) return;
  progress_timer_.expires_after(
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(options_.progress_interval));
  progress_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    if (changed_) report_progress();
    changed_ = false;
    schedule_progress();
  });
}

void RunLoop::report_progress() {
  if (options_.on_progress) options_.on_progress(progress());
}

RunProgress RunLoop::progress() const {
  const Ledger& ledger = coordinator_.ledger();
  RunProgress progress{ledger, {}, clock_.seconds(), 0, 0, -1, coordinator_.stopping()};
  for (const Node& node : nodes_) {
    WorkerProgress worker;
    worker.state = node.state;
    worker.model = node.last.model;
    worker.lives = node.peer.incarnation.value;
    if (node.state == WorkerProgress::State::Busy) {
      worker.epoch = ledger.plan().epoch(node.last.unit);
      worker.fraction =
          node.last.rows == 0 ? 0 : static_cast<double>(node.last.rows_done) / static_cast<double>(node.last.rows);
      worker.partition = node.last.partition;
    }
    if (const auto* processes = dynamic_cast<const ProcessHost*>(host_.get())) {
      worker.process = static_cast<int>(processes->pid(node.peer.worker));
    }
    progress.workers.push_back(worker);
  }
  for (const Model& model : ledger.models()) {
    progress.units_done += model.version;
    progress.units_total += model.status == Status::Running ? ledger.plan().units() : model.version;
  }
  const double done_here = static_cast<double>(progress.units_done) - started_units_;
  if (done_here > 0) {
    progress.eta_seconds =
        progress.seconds / done_here * static_cast<double>(progress.units_total - progress.units_done);
  }
  return progress;
}

void RunControl::stop() {
  const std::scoped_lock lock(mutex_);
  stopped_ = true;
  if (handler_) handler_(false);
}

void RunControl::abort() {
  const std::scoped_lock lock(mutex_);
  aborted_ = true;
  if (handler_) handler_(true);
}

void RunControl::attach(std::function<void(bool)> handler) {
  const std::scoped_lock lock(mutex_);
  handler_ = std::move(handler);
  if (handler_ && aborted_)
    handler_(true);
  else if (handler_ && stopped_)
    handler_(false);
}

}  // namespace hop::hopper
