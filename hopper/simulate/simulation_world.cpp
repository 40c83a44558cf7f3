// The world of the simulated workers: their machines, training, and troubles of every kind.
#include <algorithm>
#include <limits>

#include "hopper/simulate/simulation.h"
#include "hopper/simulate/toy_model.h"

namespace hop::hopper::simulate {

// ---- what a worker does ---------------------------------------------------------------------------------------------

std::vector<worker::Action> Simulation::step(WorkerId id, worker::Jobs& jobs, const worker::Event& event) {
  WorkerChecker& checker = worker_checkers_[id.index()];
  checker.hears(event);
  std::vector<worker::Action> actions = worker_step_(id, jobs, event, queue_.now());
  if (std::holds_alternative<worker::event::SourceGone>(event) && !actions.empty()) ++summary_.hopeless;
  for (const worker::Action& action : actions) checker.sees(action);
  checker.after_step();
  return actions;
}

Time Simulation::unit_time(WorkerId worker, const Lease& lease) {
  const Time pass = pass_time(scenario_, worker, lease.model, lease.unit);
  const std::vector<PartitionId> passes = scenario_.itinerary.passes(lease.partition);
  const auto own = std::ranges::count_if(
      passes, [&](PartitionId id) { return !lease.has_group() || scenario_.itinerary.holds(worker, id); });
  return pass * static_cast<Time::rep>(own);
}

bool Simulation::gets_rows(WorkerId worker, const Lease& lease) {
  return std::ranges::all_of(scenario_.itinerary.passes(lease.partition), [&](PartitionId id) {
    if (scenario_.itinerary.holds(worker, id)) return true;
    const WorkerId holder = scenario_.itinerary.holder(id);
    return nodes_[holder.index()]->connected() && reach(worker, holder);
  });
}

// A member that reaches not all others loses the unit for all.
void Simulation::gather(WorkerId worker, const Lease& lease) {
  gatherings_.gather(worker, lease);
  const bool reaches_all = std::ranges::all_of(lease.members, [&](WorkerId other) { return reach(worker, other); });
  if (!reaches_all) gatherings_.scatter(lease.attempt);
}

std::pair<UnitMetrics, Digest> Simulation::train(WorkerId worker, const Lease& lease, const Digest& parent) {
  UnitMetrics metrics;
  metrics.train_loss = 1.0 / number_of(lease.unit);
  metrics.rows = 100;
  metrics.state_bytes = kStateBytes;
  metrics.seconds = std::chrono::duration<double>(unit_time(worker, lease)).count();
  metrics.received_bytes = lease.source ? kStateBytes : 0;
  if (lease.validate) metrics.valid_accuracy = toy_accuracy(scenario_, lease.identity(), lease.epoch);
  if (scenario_.divergent == lease.identity() && scenario_.bad_unit == lease.unit) {
    metrics.train_loss = std::numeric_limits<double>::infinity();
  }
  Digest digest = parent;
  for (const PartitionId partition : scenario_.itinerary.passes(lease.partition)) {
    digest = train_toy(digest, lease.identity(), lease.epoch, partition);
  }
  const bool errs = checker_.is_done(lease.model, lease.unit) && trouble(scenario_.troubles.errs);
  if (errs) digest.low ^= 1;
  summary_.erred += errs ? 1 : 0;
  return {metrics, digest};
}

// ---- troubles -------------------------------------------------------------------------------------------------------

bool Simulation::trouble(double probability, Rng& rng) {
  return probability > 0 && queue_.now() < scenario_.troubles.until && rng.chance(probability);
}

bool Simulation::dies(WorkerId worker, Moment moment, ModelId model, Unit unit) {
  if (scenario_.poison == model && unit == scenario_.bad_unit && moment == Moment::Training && !is_cured_) {
    kill(worker, true);
    return true;
  }
  const Troubles& t = scenario_.troubles;
  const double probability[] = {t.die_on_lease,     t.die_before_result, t.die_before_sending,
                                t.die_after_result, t.die_after_commit,  t.die_on_release};
  if (!trouble(probability[static_cast<std::size_t>(moment)])) return false;
  kill(worker);
  return true;
}

// The host that starts the next life knows how the last one ended.
void Simulation::kill(WorkerId id, bool crashes) {
  ++summary_.deaths;
  Node& node = *nodes_[id.index()];
  const Peer peer = node.peer();
  const std::optional<ModelId> trained = node.trains();
  node.die();
  harm_disk(node);
  notice_end(peer, trained);
  const bool stays_away = trouble(scenario_.troubles.stay_away);
  const Time longest = stays_away ? scenario_.troubles.cut_time : scenario_.restart_time;
  queue_.after(rng_.time_up_to(longest), [this, id, peer, trained, crashes, life = life_] {
    if (crashes && coordinator_ && life == life_) step(event::WorkerCrashed{peer, "a signal", trained});
    nodes_[id.index()]->start();
    try_connect(id);
  });
}

// The next life begins when the last one has ended and its disk has done its work.
void Simulation::restart(WorkerId id, Time longest) {
  const Time ends = std::max(queue_.now(), nodes_[id.index()]->disk().free_at());
  queue_.after(ends - queue_.now() + rng_.time_up_to(longest), [this, id] {
    nodes_[id.index()]->start();
    try_connect(id);
  });
}

void Simulation::black_out() {
  ++summary_.blackouts;
  for (const auto& node : nodes_) {
    if (node->alive()) kill(node->peer().worker);
  }
}

// A node is gone for good. Another one, with an empty disk, takes its place.
void Simulation::replace_node() {
  Node& node = *nodes_[rng_.below(scenario_.itinerary.workers)];
  if (!node.alive()) return;
  ++summary_.replaced;
  kill(node.peer().worker);
  for (const HeldState& state : node.disk().files()) {
    ++summary_.lost;
    taken_.insert({node.peer().worker, state.model, state.version});
    node.disk().remove(state.model, state.version);
  }
}

void Simulation::ask_to_leave() {
  const Node& node = *nodes_[rng_.below(scenario_.itinerary.workers)];
  if (!node.connected()) return;
  ++summary_.left;
  const Peer peer = node.peer();
  send(peer, event::WorkerLeaves{peer});
  queue_.after(scenario_.troubles.leave_time, [this, peer] {
    const Node& waits = *nodes_[peer.worker.index()];
    if (waits.alive() && waits.peer() == peer) kill(peer.worker);
  });
}

void Simulation::harm_disk(Node& node) {
  const bool is_replaced = trouble(scenario_.troubles.lose_disk);
  for (const HeldState& state : node.disk().files()) {
    if (is_replaced || trouble(scenario_.troubles.lose_states)) take(node, state);
  }
}

// The damage is not noticed before the state is read.
void Simulation::rot() {
  Node& node = *nodes_[rng_.below(scenario_.itinerary.workers)];
  const std::vector<HeldState> files = node.disk().files();
  if (!files.empty()) take(node, files[rng_.below(static_cast<std::uint32_t>(files.size()))]);
}

void Simulation::take(Node& node, const HeldState& state) {
  ++summary_.lost;
  taken_.insert({node.peer().worker, state.model, state.version});
  if (rng_.chance(0.5)) return node.disk().remove(state.model, state.version);
  node.disk().harm(state.model, state.version, rng_.chance(0.5) ? Damage::Rotten : Damage::Unreadable);
}

// A clone may begin with the state that was lost. A file of that name with other bits does not bring it back.
void Simulation::wrote(WorkerId worker, const HeldState& state) {
  if (!checker_.is_wrong(state)) taken_.erase({worker, state.model, state.version});
}

bool Simulation::is_torn(WorkerId worker, ModelId model, Version version) {
  if (!trouble(scenario_.troubles.tear)) return false;
  ++summary_.torn;
  taken_.insert({worker, model, version});
  return true;
}

Time Simulation::stall() {
  if (!trouble(scenario_.troubles.stall)) return {};
  ++summary_.stalled;
  return rng_.time_up_to(scenario_.troubles.stall_time);
}

// On an ordered link the end of a connection arrives after all its messages.
void Simulation::notice_end(const Peer& peer, std::optional<ModelId> trained) {
  Time notice = queue_.now() + rng_.time_up_to(scenario_.detection_time);
  if (scenario_.in_order) notice = std::max(notice, from_worker_[peer.worker.index()]);
  in_this_life(notice - queue_.now(), [this, peer, trained] { step(event::WorkerDown{peer, trained}); });
}

void Simulation::lose_connection(WorkerId id) {
  Node& node = *nodes_[id.index()];
  ++summary_.cuts;
  cut_[id.index()] = node.peer().incarnation;
  notice_end(node.peer(), node.trains());
  node.disconnect();
}

// A worker that lost its coordinator is started again. One whose disk is full ends the run, and somebody makes room
// before `hop resume`.
void Simulation::ended(const Peer& peer, worker::Trouble trouble) {
  if (trouble == worker::Trouble::Connection) return restart(peer.worker, scenario_.restart_time);
  ++summary_.full;
  restart(peer.worker, scenario_.restart_time);
  if (coordinator_ && !complete_)
    end_coordinator(durable_ + rng_.between(0, static_cast<std::uint32_t>(appended_ - durable_)), true);
}

bool Simulation::unit_fails(const Lease&) { return trouble(scenario_.troubles.unit_fails); }

}  // namespace hop::hopper::simulate
