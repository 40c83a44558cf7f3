// Long because one world has all troubles: workers, disks, cables and the coordinator share its events.
#include "hopper/simulate/simulation.h"

#include <algorithm>

#include "hopper/schedule/policies.h"
#include "hopper/simulate/toy_model.h"

namespace hop::hopper::simulate {
namespace {

constexpr Time kReconnect = milliseconds(5);
constexpr std::uint32_t kReplayEvery = 16;  // steps between two replays of the journal

// Long enough for all the work one after the other on the slowest worker, a few times over (what is lost is found
// late), and for every wait on the way.
Time deadline(const Scenario& s) {
  Time work{};
  for (const Time unit : s.unit_time) work += unit * s.plan.units();
  const double slowest = *std::max_element(s.slowness.begin(), s.slowness.end()) * (1 + s.jitter);
  return s.troubles.until + s.troubles.cut_time +
         4 * Time(static_cast<Time::rep>(static_cast<double>(work.count()) * slowest)) +
         4 * s.plan.units() * s.models * (s.sync_time * 2 + s.transfer_time + s.message_delay * 3) +
         seconds(60) * s.models;
}

}  // namespace

Simulation::Simulation(Scenario scenario, Step step)
    : scenario_(std::move(scenario)),
      step_(step ? std::move(step) : [](Coordinator& c, const Event& e, Time now) { return c.step(e, now); }),
      rng_(scenario_.seed),
      cut_(scenario_.plan.workers),
      to_worker_(scenario_.plan.workers),
      from_worker_(scenario_.plan.workers),
      checker_(
          scenario_,
          [this](WorkerId worker, ModelId model, std::uint32_t version, const Digest& digest) {
            const HeldState* state = workers_[worker.index()]->find(model, version);
            return (state != nullptr && state->digest == digest) || taken_.contains({worker, model, version});
          },
          [this](WorkerId worker, ModelId model, std::uint32_t version) {
            return taken_.contains({worker, model, version});
          }) {
  WorkerHost& host = *this;
  for (std::uint32_t w = 0; w < scenario_.plan.workers; ++w) {
    workers_.push_back(std::make_unique<ToyWorker>(WorkerId{w}, host));
  }
}

Summary Simulation::run() {
  start_coordinator();
  for (const auto& worker : workers_) {
    worker->start();
    try_connect(worker->peer().worker);
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

// When the last messages have arrived, no worker may keep a state that will not be used again.
void Simulation::look_at_disks() {
  const Time last_word = queue_.now() + scenario_.message_delay;
  while (!queue_.empty() && queue_.next() <= last_word) queue_.run_next();
  for (const WorkerState& known : coordinator_->workers()) {
    const ToyWorker& worker = *workers_[known.id.index()];
    const bool is_there = known.alive && worker.connected() && worker.peer().incarnation == known.incarnation;
    for (const HeldState& state : is_there ? worker.disk() : std::vector<HeldState>()) {
      if (coordinator_->ledger().model(state.model).status == Status::Quarantined) continue;  // it may be retried
      throw Violation("what nobody needs is deleted (model " + std::to_string(state.model.value) + ")");
    }
  }
}

// ---- the coordinator's process --------------------------------------------------------------------------------------

template <class F>
void Simulation::in_this_life(Time delay, F task) {
  queue_.after(delay, [this, life = life_, task = std::move(task)] {
    if (life == life_ && coordinator_) task();
  });
}

void Simulation::start_coordinator() {
  coordinator_ =
      std::make_unique<Coordinator>(scenario_.plan, make_search(scenario_), make_policy({}, scenario_.plan.order),
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
  for (const auto& worker : workers_) {
    const WorkerId id = worker->peer().worker;
    cut_[id.index()] = worker->peer().incarnation;
    if (workers_die && worker->alive()) {
      worker->die();
      queue_.after(rng_.time_up_to(scenario_.restart_time), [this, id] {
        workers_[id.index()]->start();
        try_connect(id);
      });
    } else if (worker->connected()) {
      worker->disconnect(rng_.chance(0.5));
      try_connect(id);
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
  for (const Action& action : actions) {
    const auto* answer = std::get_if<action::Answer>(&action);
    if (answer != nullptr && answer->verdict == Verdict::Stale) ++summary_.stale;
    const auto* append = std::get_if<action::Append>(&action);
    if (append == nullptr) continue;
    if (std::holds_alternative<record::Quarantine>(append->record)) ++summary_.condemned;
    if (std::holds_alternative<record::Retry>(append->record)) ++summary_.retried;
    if (const auto* rollback = std::get_if<record::Rollback>(&append->record)) {
      ++summary_.rollbacks;
      if (rollback->version > 0) ++summary_.spared;
    }
    const bool commit = std::holds_alternative<record::Commit>(append->record);
    if (commit && std::holds_alternative<event::WorkerUp>(event)) ++summary_.adopted;
  }
}

// ---- performing its actions -----------------------------------------------------------------------------------------

void Simulation::perform(const action::Append& append) {
  appended_ = append.sequence;
  sync_journal();
  const auto* rollback = std::get_if<record::Rollback>(&append.record);
  if (rollback != nullptr && rollback->worker && trouble(scenario_.troubles.die_after_rollback)) {
    in_this_life(rng_.time_up_to(scenario_.sync_time), [this, worker = *rollback->worker] {
      if (workers_[worker.index()]->alive()) kill(worker);
    });
  }
  if (!std::holds_alternative<record::Commit>(append.record)) return;
  summary_.makespan = queue_.now();
  const Time soon = rng_.time_up_to(2 * scenario_.sync_time);
  if (trouble(scenario_.troubles.rot)) rot();
  if (trouble(scenario_.troubles.blackout)) in_this_life(soon, [this] { black_out(); });
  if (trouble(scenario_.troubles.crash)) in_this_life(soon, [this] { crash(); });
  if (trouble(scenario_.troubles.stop)) in_this_life(soon, [this] { step(event::StopRequested{}); });
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
    const bool is_whole = final.kind == Reading::Kind::Read && final.state.digest == collect.digest;
    if (is_whole) return step(event::Collected{collect.model, kStateBytes, final.state.digest.hex()});
    const Failure failure = final.kind == Reading::Kind::Unreachable ? Failure::SourceUnreachable
                            : final.kind == Reading::Kind::Lost      ? Failure::StateLost
                                                                     : Failure::StateDamaged;
    step(event::CollectFailed{collect.model, "not collected", failure});
  });
}

void Simulation::perform(const action::SetTimer& timer) {
  in_this_life(timer.at - queue_.now(), [this] { step(event::Timer{}); });
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

template <class Message>
void Simulation::perform(const Message& message) {
  transmit(to_worker_[message.peer.worker.index()], [this, message] {
    ToyWorker& worker = *workers_[message.peer.worker.index()];
    if (worker.connected() && worker.peer() == message.peer) worker.receive(message);
  });
}

// ---- the network ----------------------------------------------------------------------------------------------------

template <class F>
void Simulation::transmit(Time& link, F deliver) {
  const int copies = trouble(scenario_.troubles.duplicate) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    Time arrival = queue_.now() + rng_.time_up_to(scenario_.message_delay);
    if (scenario_.in_order) arrival = link = std::max(link, arrival);
    in_this_life(arrival - queue_.now(), deliver);
  }
}

// Messages that a worker sent before it died still arrive, perhaps after the news of its death.
void Simulation::send(const Peer& from, Event event) {
  const std::size_t w = from.worker.index();
  if (!workers_[w]->connected()) return;
  const bool result = std::holds_alternative<event::Result>(event);
  transmit(from_worker_[w], [this, from, w, event = std::move(event)] {
    if (cut_[w] < from.incarnation) step(event);
  });
  if (result && trouble(scenario_.troubles.lose_connection)) lose_connection(from.worker);
}

Reading Simulation::fetch(WorkerId reader, WorkerId source, ModelId model, std::uint32_t version) {
  const ToyWorker& worker = *workers_[source.index()];
  if (!worker.alive() || !reach(reader, source) || trouble(scenario_.troubles.unreachable)) {
    return {Reading::Kind::Unreachable};
  }
  return worker.read(model, version);
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
  ToyWorker& worker = *workers_[id.index()];
  if (!worker.alive() || worker.connected()) return;
  if (coordinator_ && worker.may_connect()) {
    worker.connect();
  } else {
    queue_.after(kReconnect, [this, id] { try_connect(id); });
  }
}

// ---- troubles -------------------------------------------------------------------------------------------------------

bool Simulation::trouble(double probability) {
  return probability > 0 && queue_.now() < scenario_.troubles.until && rng_.chance(probability);
}

bool Simulation::dies(WorkerId worker, Moment moment, ModelId model, std::uint32_t unit) {
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
  ToyWorker& worker = *workers_[id.index()];
  const Peer peer = worker.peer();
  const std::optional<ModelId> trained = worker.trains();
  worker.die();
  harm_disk(worker);
  notice_end(peer, trained);
  const bool stays_away = trouble(scenario_.troubles.stay_away);
  const Time longest = stays_away ? scenario_.troubles.cut_time : scenario_.restart_time;
  queue_.after(rng_.time_up_to(longest), [this, id, peer, trained, crashes, life = life_] {
    if (crashes && coordinator_ && life == life_) step(event::WorkerCrashed{peer, "a signal", trained});
    workers_[id.index()]->start();
    try_connect(id);
  });
}

void Simulation::black_out() {
  ++summary_.blackouts;
  for (const auto& worker : workers_) {
    if (worker->alive()) kill(worker->peer().worker);
  }
}

void Simulation::harm_disk(ToyWorker& worker) {
  const bool is_replaced = trouble(scenario_.troubles.lose_disk);
  for (const HeldState& state : worker.disk()) {
    if (is_replaced || trouble(scenario_.troubles.lose_states)) take(worker, state);
  }
}

// The damage is not noticed before the state is read.
void Simulation::rot() {
  ToyWorker& worker = *workers_[rng_.below(scenario_.plan.workers)];
  const std::vector<HeldState> disk = worker.disk();
  if (!disk.empty()) take(worker, disk[rng_.below(static_cast<std::uint32_t>(disk.size()))]);
}

void Simulation::take(ToyWorker& worker, const HeldState& state) {
  ++summary_.lost;
  taken_.insert({worker.peer().worker, state.model, state.version});
  if (rng_.chance(0.5)) return worker.lose(state.model, state.version);
  worker.damage(state.model, state.version);
}

// On an ordered link the end of a connection arrives after all its messages.
void Simulation::notice_end(const Peer& peer, std::optional<ModelId> trained) {
  Time notice = queue_.now() + rng_.time_up_to(scenario_.detection_time);
  if (scenario_.in_order) notice = std::max(notice, from_worker_[peer.worker.index()]);
  in_this_life(notice - queue_.now(), [this, peer, trained] { step(event::WorkerDown{peer, trained}); });
}

void Simulation::lose_connection(WorkerId id) {
  ToyWorker& worker = *workers_[id.index()];
  const Peer peer = worker.peer();
  ++summary_.cuts;
  cut_[id.index()] = peer.incarnation;
  notice_end(peer, worker.trains());
  worker.disconnect(rng_.chance(0.5));
  queue_.after(rng_.time_up_to(scenario_.restart_time), [this, id] { try_connect(id); });
}

bool Simulation::errs(const Lease& lease) {
  return checker_.is_done(lease.model, lease.unit) && trouble(scenario_.troubles.errs) && ++summary_.erred > 0;
}

bool Simulation::unit_fails(const Lease&) { return trouble(scenario_.troubles.unit_fails); }

}  // namespace hop::hopper::simulate
