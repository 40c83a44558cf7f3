// The lives of the coordinator's workers: their beginning, their supervision, and the consequences of their end. All
// functions run on the loop's thread.
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.h"
#include "hopper/detail/run_loop.h"

namespace hop::hopper {

using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kSilence = 2500ms;  // a worker sends a heartbeat every 500 ms: five are missing
constexpr auto kWatch = 250ms;
constexpr auto kGoodbyePatience = 3s;
constexpr auto kEndPatience = 2s;  // for the end of a worker that lost its connection: its end shows why
constexpr std::uint32_t kMaxFailedStarts = 3;
constexpr std::uint32_t kMaxFailedForks = 6;
constexpr std::uint32_t kMaxFruitlessLives = 10;

Incarnation next_life(Incarnation life) { return Incarnation(life.value + 1); }

std::string seconds(Clock::duration time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

}  // namespace

RunLoop::Node* RunLoop::find(Peer peer) {
  if (peer.worker.index() >= nodes_.size()) return nullptr;
  Node& node = nodes_[peer.worker.index()];
  return node.peer == peer ? &node : nullptr;
}

void RunLoop::start_worker(Node& node) {
  node.peer.incarnation = next_life(node.peer.incarnation);
  node.state = WorkerProgress::State::Starting;
  node.was_ready = node.has_worked = node.is_sending_state = false;
  node.loss = Loss::Crash;
  node.held.clear();
  node.pulse.start(Clock::now());
  try {
    host_->start(node.peer);
    node.alive = true;
    node.failed_forks = 0;
  } catch (const RunError& error) {  // the system cannot give a process or thread now
    node.state = WorkerProgress::State::Gone;
    node.last_error = error.what();
    if (++node.failed_forks == kMaxFailedForks) return fail(std::current_exception());
    const auto pause = pause_after(node.failed_forks + 1);
    notice("worker " + std::to_string(node.peer.worker.value) +
           " could not be started and is tried again: " + error.what());
    start_again(node, pause);
  }
}

void RunLoop::start_again(Node& node, std::chrono::milliseconds pause) {
  if (pause.count() == 0) return start_worker(node);
  node.restart = std::make_shared<net::asio::steady_timer>(io_, pause);
  node.restart->async_wait([this, &node, timer = node.restart](const boost::system::error_code& error) {
    if (!error && !outcome_ && !error_) start_worker(node);
  });
}

void RunLoop::worker_lost(Peer peer, const std::string& why, Loss loss) {
  Node* node = find(peer);
  if (node == nullptr || node->state == WorkerProgress::State::Gone) return;
  node->state = WorkerProgress::State::Gone;
  node->last_error = why;
  node->loss = loss;
  node->lost_at = Clock::now();
  changed_ = true;
  const std::vector<Lease>& leases = coordinator_.workers()[peer.worker.index()].leases;
  const Lease* trained = in_training(*node);
  node->trained = trained != nullptr ? std::optional(trained->model) : std::nullopt;
  if (trained == nullptr && !leases.empty()) trained = leases.data();  // it did not say
  const bool has_a_unit = trained != nullptr && node->was_ready;
  narrator_.lost(peer.worker, {why, node->was_ready, has_a_unit ? std::optional(*trained) : std::nullopt});
  if (node->connection) {
    const net::Traffic traffic = node->connection->traffic();
    node->control_bytes += traffic.control_sent + traffic.control_received + node->last.control_bytes;
    node->last = {};
    node->connection->close();
    node->connection.reset();
  }
  // A silent process may still write to the node's disk, so the next life waits until the process is dead.
  if (loss != Loss::Crash) host_->kill(peer);
  if (!node->was_ready) return;
  step(event::WorkerDown{peer, node->trained});
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
  worker_lost(peer, end.how, Loss::Crash);
  node->alive = false;
  ended_.cancel();
  if (error_) return;
  // If it was silent because it dumped core, it is still a crash.
  const bool is_hosts_doing = node->loss == Loss::HostStoodStill || (node->loss != Loss::StoodStill && end.by_host);
  if (!is_hosts_doing && node->was_ready && !outcome_) step(event::WorkerCrashed{peer, end.how, node->trained});
  const bool is_models_affair = narrator_.lost_a_unit(peer.worker) && !is_hosts_doing;
  notices(narrator_.ended(peer.worker, end.how, outcome_.has_value()));
  if (outcome_) return;
  node->failed_starts = node->was_ready ? 0 : node->failed_starts + 1;
  if (node->has_worked) node->fruitless_lives = 0;
  if (node->was_ready && !node->has_worked && !is_models_affair) ++node->fruitless_lives;
  if (give_up(*node, end.how)) return;
  start_again(*node, pause_after(std::max(node->failed_starts, node->fruitless_lives)));
}

// If a worker ends repeatedly without doing any work, the run ends. Otherwise nobody would notice.
bool RunLoop::give_up(const Node& node, const std::string& how) {
  const std::string cause = node.last_error.empty() || node.last_error == how ? how : how + ": " + node.last_error;
  std::string what;
  if (node.failed_starts >= kMaxFailedStarts) {
    what = " ended " + std::to_string(kMaxFailedStarts) + " times before it was ready (" + cause + ")";
  } else if (node.fruitless_lives >= kMaxFruitlessLives) {
    what = " was lost " + std::to_string(kMaxFruitlessLives) + " times in a row and got nothing done in between (" +
           cause + "); what is committed can be resumed";
  } else {
    return false;
  }
  fail(std::make_exception_ptr(RunError("[run] worker " + std::to_string(node.peer.worker.value) + what +
                                        "; its output is in " + (options_.run_directory / "log").string())));
  return true;
}

// If this thread itself stood still (for example in a stopped process), it could not hear any worker: that time does
// not count.
net::Awaitable<void> RunLoop::watch() {
  net::asio::steady_timer timer(io_);
  auto last = Clock::now();
  while (true) {
    timer.expires_after(kWatch);
    co_await timer.async_wait(net::asio::use_awaitable);
    const auto now = Clock::now();
    const auto lag = now - last - kWatch;
    last = now;
    for (Node& node : nodes_) {
      if (lag > 2 * kWatch) node.pulse.forgive(lag);
      look_after(node, now);
    }
    write_status();
  }
}

void RunLoop::look_after(Node& node, Clock::time_point now) {
  if (node.state == WorkerProgress::State::Gone) {
    if (!node.alive || now - node.lost_at <= kEndPatience) return;
    // From here on the worker's end does not show why it lost its connection.
    if (node.loss == Loss::Crash) node.loss = Loss::Silence;
    return host_->kill(node.peer);
  }
  if (!node.connection) {
    if (node.pulse.silent_for(now) <= patience_.longest()) return;
    return worker_lost(node.peer, "no hello for " + seconds(patience_.longest()), Loss::HostStoodStill);
  }
  node.pulse.look(node.connection->arrived(), node.is_sending_state, now);
  if (node.pulse.silent_for(now) > kSilence) return worker_lost(node.peer, "silent for 2.5 s", Loss::Silence);
  if (!has_something_to_do(node)) return node.pulse.move(now);
  const auto still = node.pulse.stands_still_for(now);
  if (still <= patience_.longest()) return;
  const std::string doing = node.last.doing.empty() ? "says nothing of what it does" : node.last.doing;
  worker_lost(node.peer, "stood still for " + seconds(still) + ": " + doing + " (--patience sets how long it may)",
              in_training(node) != nullptr ? Loss::StoodStill : Loss::HostStoodStill);
}

// The unit that the worker was training when it was last heard from; null if it was training none. This need not be the
// first unit in its queue: that one may already be trained and on its way to a slow disk.
const Lease* RunLoop::in_training(const Node& node) const {
  const std::vector<Lease>& leases = coordinator_.workers()[node.peer.worker.index()].leases;
  const auto said = std::find_if(leases.begin(), leases.end(), [&](const Lease& lease) {
    return node.last.busy && lease.model == node.last.model && lease.unit == node.last.unit;
  });
  return said == leases.end() ? nullptr : &*said;
}

bool RunLoop::has_something_to_do(const Node& node) const {
  if (node.state == WorkerProgress::State::Starting) return true;
  if (!coordinator_.workers()[node.peer.worker.index()].leases.empty()) return true;
  return std::any_of(collecting_.begin(), collecting_.end(), [&](const auto& c) { return c.second == node.peer; });
}

net::Awaitable<void> RunLoop::shut_down() {
  for (const Node& node : nodes_) tell(node.peer, message::Shutdown{});
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
