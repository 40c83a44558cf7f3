// The second place of every state. With two copies the newest state of a model is copied to a second worker, and the
// model goes on from there when its holder has lost the state, is away for long, or leaves. A worker that leaves has
// its states copied whatever the number of copies is.
#include <algorithm>
#include <utility>

#include "hopper/coordinator.h"

namespace hop::hopper {
namespace {

// Of the models that need a copy, in one step. The next step looks at the next ones.
constexpr std::size_t kMostLooks = 64;

}  // namespace

// ---- the places of a model's states -----------------------------------------------------------------------------------

// Whether a state counts as kept there. A worker that has just been lost is expected back.
bool Coordinator::is_place(WorkerId id) const {
  const Presence presence = workers_[id.index()].presence;
  return presence == Presence::Here || presence == Presence::Away;
}

bool Coordinator::is_spare(WorkerId worker, ModelId model, Version version, Attempt attempt) const {
  if (model.index() >= flights_.size()) return false;
  return std::ranges::any_of(flight(model).spares, [&](const Spare& spare) {
    return spare.worker == worker && spare.version == version && spare.attempt == attempt;
  });
}

// The spare that is kept beside the newest state: its copy or, until there is one, the newest state that lies at
// another worker than its holder. So the worker before keeps its state until the next hop away is committed. Of equally
// new ones it is one at a worker that stays: the other one goes with its worker.
std::optional<Coordinator::Spare> Coordinator::second_place(const Model& model) const {
  if (model.file || (options_.copies < 2 && !is_stranded(model))) return std::nullopt;
  std::optional<Spare> best;
  for (const Spare& spare : flight(model.id).spares) {
    if (spare.worker == model.holder || spare.version > model.version || spare.is_lost) continue;
    if (!workers_[spare.worker.index()].alive) continue;
    const auto worth = [this](const Spare& s) {
      return std::pair(s.version, workers_[s.worker.index()].takes_leases());
    };
    if (!best || worth(spare) > worth(*best)) best = spare;
  }
  return best;
}

// A copy of the newest state at another worker than its holder: at one that is here and stays, if there is one.
std::optional<Coordinator::Spare> Coordinator::find_copy(const Model& model, bool must_be_here) const {
  std::optional<Spare> copy;
  for (const Spare& spare : flight(model.id).spares) {
    if (spare.version != model.version || spare.worker == model.holder || spare.is_lost) continue;
    const bool is_here = workers_[spare.worker.index()].takes_leases();
    if (is_here) return spare;
    if (!must_be_here) copy = spare;
  }
  return copy;
}

void Coordinator::touch_states_at(WorkerId worker) {
  for (const Model& model : ledger_.models()) {
    const auto lies_there = [&](const Spare& spare) { return spare.worker == worker; };
    if (model.holder == worker || std::ranges::any_of(flights_[model.id.index()].spares, lies_there)) touch(model.id);
  }
}

// A worker has offered its states, and it is known which of them are the newest ones.
void Coordinator::keep_offered(const std::vector<HeldState>& held) {
  if (options_.copies < 2) return;
  for (const HeldState& state : held) {
    if (state.model.index() >= flights_.size()) continue;
    const Model& model = ledger_.model(state.model);
    if (!flight(model.id).spares.empty() && !may_be_lost(model)) release_spares(model.id);
  }
}

// ---- copies on their way ----------------------------------------------------------------------------------------------

bool Coordinator::is_copying_to(WorkerId worker) const {
  return std::ranges::any_of(copying_, [&](ModelId id) { return flight(id).copying->to.worker == worker; });
}

bool Coordinator::needs_copy(const Model& model) const {
  const Flight& f = flight(model.id);
  if (is_initial(model.version) || model.file || model.status == Status::Quarantined) return false;
  if (f.copying || f.committing || f.settling || f.loss || f.fault || f.copy_not_before > now_) return false;
  const WorkerState& holder = workers_[model.holder->index()];
  if (!holder.alive || (options_.copies < 2 && !holder.leaves())) return false;
  if (f.leased_to && f.leased_to != holder.id) return false;      // it is on its way to the next worker
  if (ledger_.owed_file(model) == StateFile::Last) return false;  // ... or into the run directory
  return std::ranges::none_of(f.spares, [&](const Spare& spare) {
    const bool is_newest = spare.version == model.version && !spare.is_lost;
    return is_newest && spare.worker != model.holder && is_place(spare.worker);
  });
}

// Copies yield: a worker gives one at a time and takes one at a time. A worker that leaves gives to all others at once,
// and before anybody else. The models take turns.
void Coordinator::order_copies() {
  if (stopping_ || uncopied_.empty()) return;
  const bool someone_leaves = std::ranges::any_of(workers_, &WorkerState::leaves);
  std::size_t looks = someone_leaves ? uncopied_.size() : std::min(uncopied_.size(), kMostLooks);
  for (auto at = uncopied_.upper_bound(looked_last_); looks > 0 && next_attempt_ < ledger_.reserved(); --looks) {
    if (at == uncopied_.end()) at = uncopied_.begin();
    const Model& model = ledger_.model(*at++);
    looked_last_ = model.id;
    if (!needs_copy(model) || (someone_leaves && !workers_[model.holder->index()].leaves())) continue;
    const std::optional<Peer> to = receiver_of(model);
    if (!to) continue;
    const Copy copy{.model = model.id,
                    .version = model.version,
                    .attempt = next_attempt_,
                    .digest = model.digest,
                    .source = *model.holder,
                    .stored_as = model.stored_as,
                    .bytes = model.state_bytes};
    next_attempt_ = Attempt{next_attempt_.value + 1};
    flight(model.id).copying = Copying{copy, *to};
    copying_.insert(model.id);
    emit(action::SendCopy{*to, copy});
  }
}

// The next free worker after the holder. After failures another one is tried first.
std::optional<Peer> Coordinator::receiver_of(const Model& model) const {
  const WorkerState& holder = workers_[model.holder->index()];
  const bool gives =
      std::ranges::any_of(copying_, [&](ModelId id) { return flight(id).copying->copy.source == holder.id; });
  if (gives && !holder.leaves()) return std::nullopt;
  for (std::size_t k = 0; k < workers_.size(); ++k) {
    const WorkerState& w = workers_[(holder.id.index() + 1 + flight(model.id).copy_failures + k) % workers_.size()];
    if (w.id == holder.id || !w.takes_leases()) continue;
    if (!is_copying_to(w.id)) return Peer{w.id, w.incarnation};
  }
  return std::nullopt;
}

// Ends and returns the copy on its way, if it is this one.
std::optional<Coordinator::Copying> Coordinator::take_copying(const Peer& peer, ModelId model, Attempt attempt) {
  if (alive(peer) == nullptr || !copying_.contains(model)) return std::nullopt;
  const Copying& now = *std::as_const(*this).flight(model).copying;
  if (now.to != peer || now.copy.attempt != attempt) return std::nullopt;
  copying_.erase(model);
  return std::exchange(flight(model).copying, std::nullopt);
}

void Coordinator::on(const event::Copied& copied) {
  const std::optional<Copying> done = take_copying(copied.peer, copied.model, copied.attempt);
  if (!done) return;
  const Model& model = ledger_.model(copied.model);
  const Copy& copy = done->copy;
  const bool is_late = model.file || copy.version > model.version;
  if (is_late && !is_kept_for_clone(copy.model, copy.version, copied.peer.worker)) {
    return release(copied.peer.worker, copy.model, copy.version, copy.attempt);
  }
  Flight& f = flight(model.id);
  f.copy_failures = 0;
  f.spares.push_back({copied.peer.worker, copy.version, copy.attempt});
  find_again(copy.model, copy.version, copied.peer.worker);
  if (!may_be_lost(model)) release_spares(model.id);
}

// The copy is tried again later. That the source has lost the state is no news for the model: whoever needs the state
// next finds out.
void Coordinator::on(const event::CopyFailed& failed) {
  if (!take_copying(failed.peer, failed.model, failed.attempt)) return;
  Flight& f = flight(failed.model);
  f.copy_not_before = now_ + options_.retry_delay * (1 << std::min(f.copy_failures, 6U));
  ++f.copy_failures;
  emit(action::SetTimer{f.copy_not_before});
}

// The worker's life has ended. Its next one offers what was copied.
void Coordinator::forget_copies_to(WorkerId worker) {
  std::erase_if(copying_, [&](ModelId model) {
    if (std::as_const(*this).flight(model).copying->to.worker != worker) return false;
    flight(model).copying.reset();
    return true;
  });
}

// ---- models that go on from a copy ------------------------------------------------------------------------------------

void Coordinator::note_absences() {
  if (options_.copies < 2) return;
  for (WorkerState& w : workers_) {
    if (w.presence != Presence::Away || now_ < w.away_since + options_.move_after) continue;
    w.presence = Presence::Gone;
    touch_states_at(w.id);
    give_up_transfers_from(w.id);
  }
}

// Whether nobody waits for the holder of the newest state any more: it has been away for long, or leaves.
bool Coordinator::is_stranded(const Model& model) const {
  if (!model.holder || model.file || model.status == Status::Quarantined) return false;
  const WorkerState& holder = workers_[model.holder->index()];
  return holder.presence == Presence::Gone || holder.leaves();
}

// A lease or a record on its way may settle the matter, and so may the collection of the state where it lies.
void Coordinator::move_models() {
  const std::vector<ModelId> touched = touched_;
  for (const ModelId id : touched) {
    if (id.index() >= ledger_.models().size() || !is_stranded(ledger_.model(id))) continue;
    const Model& model = ledger_.model(id);
    const Flight& f = std::as_const(*this).flight(id);
    if (f.leased_to || f.committing || f.settling || f.collecting || f.loss || f.fault) continue;
    const std::optional<Spare> copy = find_copy(model, true);
    const bool leaves = workers_[model.holder->index()].leaves();
    const std::string holder = "worker " + std::to_string(model.holder->value);
    if (copy) move(model, *copy, holder + (leaves ? " leaves" : " is away"));
  }
}

void Coordinator::move(const Model& model, const Spare& copy, std::string why) {
  append_final(model.id, record::Moved{model.id, model.version, copy.worker, copy.attempt, std::move(why)});
}

// If the state at the old holder is not lost, it is a copy from now on. If it is, a damaged file may lie there.
void Coordinator::settle(const record::Moved& moved, const Unsynced& entry) {
  const Model& model = ledger_.model(moved.model);
  const bool was_lost = flight(moved.model).loss.has_value(), is_gone = flight(moved.model).is_gone;
  const Spare old{*model.holder, model.version, model.newest_attempt(), was_lost};
  const bool was_lent = model.stored_as.has_value();
  ledger_.apply(entry.record);
  Flight& f = flight(moved.model);
  f = begin_anew(std::move(f));
  f.loss.reset();
  const bool is_there = take_spare(model.id, moved.worker, moved.attempt);
  if (was_lent) {
    unpin(moved.model);
  } else if (is_gone) {
    // nothing lies there any more
  } else if (!was_lost || is_kept_for_clone(model.id, old.version, old.worker)) {
    f.spares.push_back(old);
  } else {
    release(old.worker, model.id, old.version, old.attempt);
  }
  if (!is_there) lose_place(model);
  if (!may_be_lost(model)) release_spares(model.id);
}

// A state that was a spare is the newest one from now on. False if its worker has begun a new life without it since the
// record was written.
bool Coordinator::take_spare(ModelId model, WorkerId worker, Attempt attempt) {
  return std::erase_if(flight(model).spares,
                       [&](const Spare& s) { return s.worker == worker && s.attempt == attempt; }) > 0;
}

void Coordinator::lose_place(const Model& model) {
  lose(model.id, "version " + to_string(model.version) + " is gone from worker " + std::to_string(model.holder->value));
}

// ---- workers that leave -----------------------------------------------------------------------------------------------

// What has begun goes on until the worker is sent home; what has not is given back.
void Coordinator::on(const event::WorkerLeaves& leaves) {
  WorkerState* w = alive(leaves.peer);
  if (w == nullptr || w->presence != Presence::Here) return;
  w->presence = Presence::Leaving;
  for (const Lease& lease : w->leases) emit(action::CancelLease{leaves.peer, lease.model, lease.attempt});
  touch_states_at(w->id);
}

// Without another worker nobody can take its states. Then it stays until its own patience ends.
void Coordinator::send_home() {
  for (WorkerState& w : workers_) {
    if (w.presence != Presence::Leaving || (!stopping_ && is_needed(w))) continue;
    w.presence = Presence::SentHome;
    emit(action::SendHome{{w.id, w.incarnation}});
  }
}

// Whether a unit of the worker passes over rows that lie on the other worker's node alone.
bool Coordinator::reads_rows_of(const WorkerState& reader, WorkerId holder) const {
  const Itinerary& itinerary = ledger_.itinerary();
  return reader.id != holder && std::ranges::any_of(reader.leases, [&](const Lease& lease) {
           return !lease.has_group() && std::ranges::any_of(itinerary.passes(lease.partition), [&](PartitionId id) {
             return itinerary.is_only_holder(holder, id);
           });
         });
}

bool Coordinator::is_needed(const WorkerState& w) const {
  if (std::ranges::any_of(w.leases, &Lease::has_group)) return true;  // its end would end the unit for all members
  if (std::ranges::any_of(workers_, [&](const WorkerState& other) { return reads_rows_of(other, w.id); })) return true;
  return std::ranges::any_of(ledger_.models(), [&](const Model& model) {
    const Flight& f = flight(model.id);
    if (f.committing && unsynced_commit(*f.committing).worker == w.id) return true;
    return model.holder == w.id && !model.file && model.status != Status::Quarantined;
  });
}

}  // namespace hop::hopper
