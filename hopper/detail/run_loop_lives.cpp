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

constexpr auto kWatch = 250ms;
constexpr auto kGoodbyePatience = 3s;

Incarnation next_life(Incarnation life) { return Incarnation(life.value + 1); }

}  // namespace

RunLoop::Node* RunLoop::find(Peer peer) {
  if (peer.worker.index() >= nodes_.size()) return nullptr;
  Node& node = nodes_[peer.worker.index()];
  return node.peer == peer ? &node : nullptr;
}

void RunLoop::start_worker(Node& node) {
  node.peer.incarnation = next_life(node.peer.incarnation);
  node.held.clear();
  node.leaves = node.is_sent_home = false;
  node.lives.begin(Clock::now());
  try {
    host_->start(node.peer);
    node.lives.began();
  } catch (const RunError& error) {  // the system cannot give a process or thread now
    const auto pause = node.lives.could_not_begin(error.what());
    if (!pause) return fail(std::current_exception());
    notice("worker " + std::to_string(node.peer.worker.value) +
           " could not be started and is tried again: " + error.what());
    start_again(node, *pause);
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
  if (node == nullptr || !node->lives.lose(why, loss, Clock::now())) return;
  changed_ = true;
  const std::vector<Lease>& leases = coordinator_.workers()[peer.worker.index()].leases;
  const Lease* trained = in_training(*node);
  node->trained = trained != nullptr ? std::optional(trained->model) : std::nullopt;
  if (trained == nullptr && !leases.empty()) trained = leases.data();  // it did not say
  const bool was_ready = node->lives.was_ready(), has_a_unit = trained != nullptr && was_ready;
  narrator_.lost(peer.worker, {why, was_ready, has_a_unit ? std::optional(*trained) : std::nullopt});
  if (node->connection) {
    const net::Traffic traffic = node->connection->traffic();
    node->control_bytes += traffic.control_sent + traffic.control_received + node->last.control_bytes;
    node->last = {};
    node->connection->close();
    node->connection.reset();
  }
  end_relays(peer.worker);
  early_.erase(peer.worker);
  // A silent process may still write to the node's disk, so the next life waits until the process is dead. The end of a
  // process on another machine is not seen from here.
  if (loss != Loss::Crash || node->lives.is_awaited()) host_->kill(peer);
  if (!was_ready) return;
  step(event::WorkerDown{peer, node->trained});
  std::vector<ModelId> unanswered;
  for (const auto& [model, collecting] : collecting_) {
    if (collecting.peer == peer) unanswered.push_back(model);
  }
  for (const ModelId model : unanswered) {
    collecting_.erase(model);
    step(event::CollectFailed{peer, model, why});
  }
}

void RunLoop::worker_ended(Peer peer, const WorkerHost::End& end) {
  Node* node = find(peer);
  if (node == nullptr) return;
  worker_lost(peer, end.how, Loss::Crash);
  node->lives.end();
  members_.leave(peer.worker);
  ended_.cancel();
  if (error_) return;
  const bool is_hosts_doing = node->lives.is_hosts_doing(end);
  if (!is_hosts_doing && node->lives.was_ready() && !outcome_) {
    step(event::WorkerCrashed{peer, end.how, node->trained});
  }
  const bool is_models_affair = narrator_.lost_a_unit(peer.worker) && !is_hosts_doing;
  notices(node->leaves ? narrator_.left(peer.worker, node->is_sent_home, coordinator_.ledger(), outcome_.has_value())
                       : narrator_.ended(peer.worker, end.how, outcome_.has_value()));
  if (outcome_) return;
  const Lives::Next next = node->lives.after(end.how, is_models_affair);
  if (next.give_up) return give_up(*node, *next.give_up);
  start_again(*node, next.pause);
}

void RunLoop::give_up(const Node& node, const std::string& why) {
  fail(std::make_exception_ptr(RunError("[run] worker " + std::to_string(node.peer.worker.value) + " " + why +
                                        "; its output is in " + (options_.run_directory / "log").string())));
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
      if (lag > 2 * kWatch) node.lives.forgive(lag, now);
      look_after(node, now);
    }
    tell_of_disk();
    write_status();
  }
}

void RunLoop::look_after(Node& node, Clock::time_point now) {
  if (relays_to(node.peer.worker)) node.lives.moved(now);
  const std::uint64_t arrived = node.connection ? node.connection->arrived() : 0;
  const Lives::Sight sight{node.connection != nullptr, arrived, has_something_to_do(node), in_training(node) != nullptr,
                           node.last.doing};
  if (const auto waited = node.lives.overdue(now)) tell_overdue(node.peer, *waited);
  const Handlers act{
      [](std::monostate) {},
      [&](Lives::Kill) { host_->kill(node.peer); },
      [&](Lives::Leave) { leave(node.peer); },
      [&](const Lives::Lose& lost) { worker_lost(node.peer, lost.why, lost.loss); },
  };
  std::visit(act, node.lives.look(sight, patience_.longest(), now));
}

void RunLoop::tell_overdue(Peer peer, Clock::duration waited) {
  notice(name_with_process(peer.worker) + " was told to end, and has not ended for " +
         std::to_string(std::chrono::duration_cast<std::chrono::seconds>(waited).count()) +
         " s: a disk that does not answer holds it, or a step that takes long");
}

// Its next life begins without the end of this one.
void RunLoop::leave(Peer peer) {
  const std::string who = name_with_process(peer.worker);
  if (!host_->leave(peer)) return;
  notice(who + " is left to the system: it was killed, and did not end within " +
         std::to_string(std::chrono::ceil<std::chrono::seconds>(doors_.ends.in_all).count()) + " s");
}

// The workers end before the run does.
void RunLoop::await_workers() {
  const auto begin = Clock::now();
  Reminder reminder(doors_.ends.first_line);
  awaits_workers_ = true;
  for (std::vector<Peer> left = host_->end_all(kWatch); !left.empty(); left = host_->end_all(kWatch)) {
    const auto waited = Clock::now() - begin;
    const bool is_due = reminder.is_due(waited);
    for (const Peer peer : left) {
      if (is_due) tell_overdue(peer, waited);
      if (waited > doors_.ends.in_all) leave(peer);
    }
  }
  awaits_workers_ = false;
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
  if (node.lives.state() == WorkerProgress::State::Starting || node.last.gives) return true;
  if (!coordinator_.workers()[node.peer.worker.index()].leases.empty()) return true;
  if (coordinator_.is_copying_to(node.peer.worker) || relays_from(node.peer.worker)) return true;
  return std::any_of(collecting_.begin(), collecting_.end(), [&](const auto& c) { return c.second.peer == node.peer; });
}

net::Awaitable<void> RunLoop::shut_down() {
  for (const Node& node : nodes_) {
    tell(node.peer, message::Shutdown{});
    if (!node.connection && node.lives.is_awaited()) host_->kill(node.peer);  // nobody has come
  }
  const net::Deadline deadline = net::deadline_in(kGoodbyePatience);
  const auto any_alive = [this] {
    for (const Node& node : nodes_) {
      if (node.lives.is_alive()) return true;
    }
    return false;
  };
  while (any_alive() && std::chrono::steady_clock::now() < deadline) {
    ended_.expires_at(deadline);
    boost::system::error_code ignored;
    co_await ended_.async_wait(net::asio::redirect_error(net::asio::use_awaitable, ignored));
  }
  for (const Node& node : nodes_) {
    if (node.lives.is_alive()) host_->kill(node.peer);
  }
  listener_->close();
  io_.stop();
}

}  // namespace hop::hopper
