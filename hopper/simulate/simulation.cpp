// The coordinator's process, its actions and the network. The workers and all troubles: simulation_world.cpp.
#include "hopper/simulate/simulation.h"

#include <algorithm>

#include "hopper/schedule/policies.h"
#include "hopper/simulate/toy_model.h"

namespace hop::hopper::simulate {
namespace {

constexpr Time kReconnect = milliseconds(5);
constexpr std::uint32_t kReplayEvery = 16;  // steps between two replays of the journal

// Long enough for all the work one after the other on the slowest worker, several times over (a loss may be found
// late), and for every wait on the way.
Time deadline(const Scenario& s) {
  Time work{};
  for (const Time pass : s.pass_time) work += pass * (s.itinerary.partitions * s.itinerary.epochs);
  const double slowest = *std::max_element(s.slowness.begin(), s.slowness.end()) * (1 + s.jitter);
  return s.troubles.until + s.troubles.cut_time +
         4 * Time(static_cast<Time::rep>(static_cast<double>(work.count()) * slowest)) +
         4 * s.itinerary.units() * static_cast<std::uint32_t>(s.pass_time.size()) *
             (s.sync_time * 2 + s.transfer_time + s.message_delay * 3) +
         seconds(60) * static_cast<int>(s.pass_time.size());
}

}  // namespace

Simulation::Simulation(Scenario scenario, Step step, WorkerStep worker_step)
    : scenario_(std::move(scenario)),
      step_(step ? std::move(step) : [](Coordinator& c, const Event& e, Time now) { return c.step(e, now); }),
      worker_step_(worker_step ? std::move(worker_step)
                               : [](WorkerId, worker::Jobs& jobs, const worker::Event& e,
                                    Time now) { return jobs.step(e, now); }),
      rng_(scenario_.seed),
      gatherings_(*this, [this](WorkerId worker, Attempt attempt,
                                GroupEnd end) { nodes_[worker.index()]->hear_end(attempt, end); }),
      cut_(scenario_.itinerary.workers),
      to_worker_(scenario_.itinerary.workers),
      from_worker_(scenario_.itinerary.workers),
      checker_(
          scenario_,
          [this](WorkerId worker, ModelId model, Version version, const Digest& digest) {
            const HeldState* state = nodes_[worker.index()]->disk().find(model, version);
            return (state != nullptr && state->digest == digest) || taken_.contains({worker, model, version});
          },
          [this](WorkerId worker, ModelId model, Version version) {
            return taken_.contains({worker, model, version});
          }) {
  World& world = *this;
  for (std::uint32_t w = 0; w < scenario_.itinerary.workers; ++w) {
    nodes_.push_back(std::make_unique<Node>(WorkerId{w}, world));
    worker_checkers_.emplace_back(
        [&disk = nodes_.back()->disk()](ModelId model, Version version) { return disk.file(model, version); });
  }
}

Summary Simulation::run() {
  start_coordinator();
  for (const auto& node : nodes_) {
    node->start();
    try_connect(node->peer().worker);
  }
  const Time latest = deadline(scenario_);
  while (!complete_) {
    if (queue_.empty() || queue_.now() > latest) throw Violation("the run ends when the troubles have ended");
    queue_.run_next();
  }
  checker_.after_run(*coordinator_);
  look_at_disks();
  summary_.hops = coordinator_->ledger().hops();
  summary_.retrained = coordinator_->ledger().retrained();
  return summary_;
}

// When the last messages have arrived and the disks have done their work, no worker may keep a state that nobody will
// use again.
void Simulation::look_at_disks() {
  const auto run_until = [this](Time time) {
    while (!queue_.empty() && queue_.next() <= time) queue_.run_next();
  };
  run_until(queue_.now() + scenario_.message_delay);
  for (const auto& node : nodes_) run_until(node->disk().free_at());
  for (const WorkerState& known : coordinator_->workers()) {
    const Node& node = *nodes_[known.id.index()];
    const bool is_there = known.alive && node.connected() && node.peer().incarnation == known.incarnation;
    for (const HeldState& state : is_there ? node.disk().files() : std::vector<HeldState>()) {
      if (is_kept(state)) continue;
      throw Violation("what nobody needs is deleted (model " + std::to_string(state.model.value) + ")");
    }
  }
}

// A quarantined model may be retried. It goes on from its state, which may be that of its parent.
bool Simulation::is_kept(const HeldState& state) const {
  const auto models = coordinator_->ledger().models();
  return std::any_of(models.begin(), models.end(), [&](const Model& model) {
    const bool is_lent = model.stored_as == state.model && model.version == state.version;
    return model.status == Status::Quarantined && (model.id == state.model || is_lent);
  });
}

// ---- the coordinator's process --------------------------------------------------------------------------------------

void Simulation::start_coordinator() {
  coordinator_ =
      std::make_unique<Coordinator>(scenario_.itinerary, checker_.search(), make_policy({}, scenario_.itinerary),
                                    checker_.durable_records(), scenario_.options);
  checker_.coordinator_starts();
  event::Started started;  // `hop resume --retry`, after a person has mended the poisonous model
  for (const Model& model : coordinator_->ledger().models()) {
    if (is_cured_ && model.status == Status::Quarantined) started.retry.push_back(model.id);
  }
  step(started);
}

void Simulation::end_coordinator(std::uint64_t surviving_records, bool workers_die) {
  ++life_;
  coordinator_.reset();
  checker_.coordinator_died(surviving_records);
  appended_ = durable_ = surviving_records;
  syncing_ = false;
  for (const auto& node : nodes_) {
    const WorkerId id = node->peer().worker;
    cut_[id.index()] = node->peer().incarnation;
    if (workers_die && node->alive()) {
      node->die();
      restart(id, scenario_.restart_time);
    } else if (node->connected()) {
      node->disconnect();
    }
  }
  queue_.after(rng_.time_up_to(scenario_.restart_time), [this] { start_coordinator(); });
}

// kill -9: the first few of the records that were written but not synced may have reached the disk.
void Simulation::crash() {
  if (complete_) return;
  const auto unsynced = static_cast<std::uint32_t>(appended_ - durable_);
  const std::uint32_t kept = rng_.between(0, unsynced);
  ++summary_.crashes;
  summary_.forgotten += unsynced - kept;
  end_coordinator(durable_ + kept, rng_.chance(0.5));
}

void Simulation::step(const Event& event) {
  if (complete_) return;
  checker_.before_step(event);
  const std::vector<Action> actions = step_(*coordinator_, event, queue_.now());
  count(event, actions);
  for (const Action& action : actions) checker_.sees(action);
  checker_.after_step(*coordinator_, summary_.steps % kReplayEvery == 0);
  const auto life = life_;
  for (const Action& action : actions) {
    if (life == life_) std::visit([this](const auto& a) { perform(a); }, action);
  }
}

void Simulation::count(const Event& event, const std::vector<Action>& actions) {
  ++summary_.steps;
  const auto* failed = std::get_if<event::UnitFailed>(&event);
  if (failed != nullptr && failed->failure == Failure::Cancelled) ++summary_.cancelled;
  if (failed != nullptr && failed->failure == Failure::MemberLost) ++summary_.members_lost;
  summary_.copied += std::holds_alternative<event::Copied>(event) ? 1U : 0U;
  for (const Action& action : actions) {
    const auto* answer = std::get_if<action::Answer>(&action);
    if (answer != nullptr && answer->verdict == Verdict::Stale) ++summary_.stale;
    const auto* sent = std::get_if<action::SendLease>(&action);
    if (sent != nullptr && sent->lease.trained_as) ++summary_.relearned;
    const auto* cancel = std::get_if<action::CancelLease>(&action);
    if (cancel != nullptr && cancel->abandon) ++summary_.abandoned;
    const auto* collect = std::get_if<action::SendCollect>(&action);
    if (collect != nullptr && collect->file == StateFile::Best) ++summary_.kept;
    const auto* append = std::get_if<action::Append>(&action);
    if (append == nullptr) continue;
    if (const auto* order = std::get_if<record::Ordered>(&append->record)) {
      summary_.stopped += order->kind == SearchOrder::Kind::Stop ? 1U : 0U;
      summary_.paused += order->kind == SearchOrder::Kind::Pause ? 1U : 0U;
      summary_.resumed += order->kind == SearchOrder::Kind::Resume ? 1U : 0U;
    }
    if (const auto* asked = std::get_if<record::Asked>(&append->record); asked != nullptr && asked->parent) {
      ++summary_.clones;
      summary_.orphans += asked->place ? 0U : 1U;
    }
    if (std::holds_alternative<record::Quarantine>(append->record)) ++summary_.condemned;
    if (std::holds_alternative<record::Retry>(append->record)) ++summary_.retried;
    if (const auto* rollback = std::get_if<record::Rollback>(&append->record)) {
      ++summary_.rollbacks;
      if (!is_initial(rollback->version)) ++summary_.spared;
    }
    summary_.moved += std::holds_alternative<record::Moved>(append->record) ? 1U : 0U;
    const bool commit = std::holds_alternative<record::Commit>(append->record);
    if (commit && std::holds_alternative<event::WorkerUp>(event)) ++summary_.adopted;
  }
}

// ---- performing its actions -----------------------------------------------------------------------------------------

void Simulation::perform(const action::Append& append) {
  appended_ = append.sequence;
  sync_journal();
  const auto* rollback = std::get_if<record::Rollback>(&append.record);
  const auto* moved = std::get_if<record::Moved>(&append.record);
  std::optional<WorkerId> heir;
  if (rollback != nullptr) heir = rollback->worker;
  if (moved != nullptr) heir = moved->worker;
  if (heir && trouble(scenario_.troubles.die_after_rollback)) {
    in_this_life(rng_.time_up_to(scenario_.sync_time), [this, worker = *heir] {
      if (nodes_[worker.index()]->alive()) kill(worker);
    });
  }
  if (!std::holds_alternative<record::Commit>(append.record)) return;
  summary_.makespan = queue_.now();
  const Time soon = rng_.time_up_to(2 * scenario_.sync_time);
  if (trouble(scenario_.troubles.rot)) rot();
  if (trouble(scenario_.troubles.blackout)) in_this_life(soon, [this] { black_out(); });
  if (trouble(scenario_.troubles.crash)) in_this_life(soon, [this] { crash(); });
  if (trouble(scenario_.troubles.stop)) in_this_life(soon, [this] { step(event::StopRequested{}); });
  if (trouble(scenario_.troubles.lose_node)) in_this_life(soon, [this] { replace_node(); });
  if (trouble(scenario_.troubles.leave)) in_this_life(soon, [this] { ask_to_leave(); });
}

// Group commit: all records appended before a sync begins are durable when it ends.
void Simulation::sync_journal() {
  if (syncing_ || appended_ == durable_) return;
  syncing_ = true;
  in_this_life(rng_.time_up_to(scenario_.sync_time), [this, sequence = appended_] {
    syncing_ = false;
    durable_ = sequence;
    checker_.is_durable(sequence);
    const auto life = life_;
    step(event::Synced{sequence});
    if (life == life_) sync_journal();
  });
}

void Simulation::perform(const action::SendCollect& collect) {
  in_this_life(scenario_.transfer_time, [this, collect] {
    const Reading final = fetch(collect.peer.worker, collect.peer.worker, collect.model, collect.version);
    const bool is_whole = final.kind == Reading::Kind::Read && final.digest == collect.digest;
    if (is_whole) {
      return step(event::Collected{collect.peer, collect.model, collect.file, kStateBytes, final.digest.hex()});
    }
    const bool is_damaged = final.kind == Reading::Kind::Read || final.kind == Reading::Kind::Unreadable;
    const Failure failure = final.kind == Reading::Kind::Lost ? Failure::StateLost
                            : is_damaged                      ? Failure::StateDamaged
                                                              : Failure::SourceUnreachable;
    step(event::CollectFailed{collect.peer, collect.model, "not collected", failure});
  });
}

void Simulation::perform(const action::SetTimer& timer) {
  in_this_life(timer.at - queue_.now(), [this] { step(event::Timer{}); });
}

void Simulation::perform(const action::SendHome& home) {
  transmit(rng_, to_worker_[home.peer.worker.index()], [this, peer = home.peer] {
    const Node& node = *nodes_[peer.worker.index()];
    if (!node.connected() || node.peer() != peer) return;
    ++summary_.sent_home;
    kill(peer.worker);
  });
}

void Simulation::perform(const action::Finish& finish) {
  const bool asks_again = scenario_.cured && !is_cured_ && summary_.condemned > 0;
  if (finish.outcome == Outcome::Completed && !asks_again) {
    complete_ = true;
  } else if (finish.outcome == Outcome::Completed) {
    is_cured_ = true;
    end_coordinator(appended_, true);
  } else {
    ++summary_.stops;
    end_coordinator(appended_, true);  // `hop resume` follows after a while
  }
}

// Drawn from numbers of its own: most of these messages change nothing at the worker, and nothing in the scenario.
void Simulation::perform(const action::SourceGone& gone) {
  Rng rng(hash64(scenario_.seed, "source gone", {gone.peer.worker.value, gone.attempt.value}));
  tell(rng, gone);
}

// ---- the network ----------------------------------------------------------------------------------------------------

template <class Message>
void Simulation::tell(Rng& rng, const Message& message) {
  transmit(rng, to_worker_[message.peer.worker.index()], [this, message] {
    Node& node = *nodes_[message.peer.worker.index()];
    if (node.connected() && node.peer() == message.peer) node.receive(message);
  });
}

template <class F>
void Simulation::transmit(Rng& rng, Time& link, F deliver) {
  const int copies = trouble(scenario_.troubles.duplicate, rng) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    Time arrival = queue_.now() + rng.time_up_to(scenario_.message_delay);
    if (scenario_.in_order) arrival = link = std::max(link, arrival);
    in_this_life(arrival - queue_.now(), deliver);
  }
}

// Messages that a worker sent before it died still arrive, perhaps after the news of its death.
void Simulation::send(const Peer& from, Event event) {
  const std::size_t w = from.worker.index();
  if (!nodes_[w]->connected()) return;
  const bool result = std::holds_alternative<event::Result>(event);
  transmit(rng_, from_worker_[w], [this, from, w, event = std::move(event)] {
    if (cut_[w] < from.incarnation) step(event);
  });
  if (result && trouble(scenario_.troubles.lose_connection)) lose_connection(from.worker);
}

Reading Simulation::fetch(WorkerId reader, WorkerId source, ModelId model, Version version) {
  Node& node = *nodes_[source.index()];
  if (!node.connected() || !reach(reader, source) || trouble(scenario_.troubles.unreachable)) {
    return {Reading::Kind::Unreachable, {}, {}};
  }
  Reading reading = node.give(model, version);
  if (reading.kind == Reading::Kind::Read && reader != source && trouble(scenario_.troubles.garble)) {
    ++summary_.garbled;
    reading.digest.high ^= 1;
  }
  return reading;
}

// A broken path (a firewall, a cable) stays broken for a while.
bool Simulation::reach(WorkerId one, WorkerId other) {
  if (one == other) return true;
  Time& until = apart_[std::minmax(one, other)];
  if (queue_.now() < until) return false;
  if (!trouble(scenario_.troubles.cut)) return true;
  ++summary_.partitions;
  until = queue_.now() + scenario_.troubles.cut_time;
  return false;
}

void Simulation::try_connect(WorkerId id) {
  Node& node = *nodes_[id.index()];
  if (!node.alive() || node.connected()) return;
  if (coordinator_) return node.connect();
  queue_.after(kReconnect, [this, id] { try_connect(id); });
}

}  // namespace hop::hopper::simulate
