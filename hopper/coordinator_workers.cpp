// Workers come and go. The states that they bring are adopted, kept or released.
#include <algorithm>
#include <set>
#include <utility>

#include "hopper/coordinator.h"

namespace hop::hopper {

WorkerState* Coordinator::alive(const Peer& peer) {
  if (peer.worker.index() >= workers_.size()) return nullptr;
  WorkerState& w = worker(peer.worker);
  return w.alive && w.incarnation == peer.incarnation ? &w : nullptr;
}

void Coordinator::on(const event::WorkerUp& up) {
  if (up.peer.worker.index() >= workers_.size()) return;
  WorkerState& w = worker(up.peer.worker);
  if (up.peer.incarnation <= w.incarnation) return;  // an older life, or a repeat
  if (w.alive) take_down(w);
  w.incarnation = up.peer.incarnation;
  w.alive = true;
  w.presence = Presence::Here;
  w.broken_off.reset();
  give_up_transfers_from(w.id);
  if (!up.arithmetic.empty() && up.arithmetic != ledger_.arithmetic()[w.id.index()]) {
    append(record::Arithmetic{w.id, up.arithmetic});
  }
  touch_states_at(w.id);
  for (Flight& f : flights_) std::erase_if(f.spares, [&](const Spare& spare) { return spare.worker == w.id; });
  note_gone(w.id, up.held);
  for (const HeldState& held : up.held) receive(up.peer, held);  // adopted first: a newer state undoes a loss
  find_losses(w.id, up.held);
  keep_offered(up.held);
}

void Coordinator::on(const event::WorkerDown& down) {
  if (WorkerState* w = alive(down.peer)) take_down(*w, down.trained);
}

void Coordinator::on(const event::WorkerCrashed& crashed) {
  if (crashed.peer.worker.index() >= workers_.size()) return;
  WorkerState& w = worker(crashed.peer.worker);
  if (w.incarnation != crashed.peer.incarnation) return;
  if (w.alive) take_down(w, crashed.trained);
  const std::optional<Lease> suspect = std::exchange(w.broken_off, std::nullopt);
  if (!suspect || ledger_.model(suspect->model).next_unit() != suspect->unit) return;
  const std::uint32_t times = flight(suspect->model).failures + 1;
  blame(suspect->model, "unit " + to_string(suspect->unit) + " ended its worker " + std::to_string(times) +
                            (times == 1 ? " time (" : " times (") + crashed.how + ")");
}

// Revokes the worker's leases. Why the worker was lost is not known yet, so the unit that it was training is not
// blamed. But if the same unit is broken off repeatedly, it makes way for others for a while. If the worker did not say
// what it was training, it was training the first unit in its queue. Otherwise the first unit may already be trained
// and on its way to the disk. A worker that had to abandon the unit of a group, and has not answered, was training for
// nobody.
void Coordinator::take_down(WorkerState& w, std::optional<ModelId> trained) {
  w.alive = false;
  w.away_since = now_;
  w.presence = w.leaves() ? Presence::Gone : Presence::Away;
  forget_copies_to(w.id);
  if (options_.copies > 1) emit(action::SetTimer{now_ + options_.move_after});
  const std::vector<Lease> leases = std::exchange(w.leases, {});
  for (const Lease& lease : leases) end_lease(lease, GroupFate::Abandoned);
  if (w.presence == Presence::Gone) {
    touch_states_at(w.id);
    give_up_transfers_from(w.id);
  }
  const bool trained_for_nobody = std::exchange(w.abandons, std::nullopt).has_value();
  if (!leases.empty() && !trained_for_nobody) {
    const auto said =
        std::find_if(leases.begin(), leases.end(), [&](const Lease& lease) { return lease.model == trained; });
    w.broken_off = said == leases.end() ? leases.front() : *said;
    Flight& f = flight(w.broken_off->model);
    if (++f.broken_off > 1) retry_later(f, f.broken_off - 1);
  }
  for (const Model& model : ledger_.models()) {
    if (model.holder == w.id) flight(model.id).collecting.reset();
  }
}

// Whoever still waits for a state from a life of this worker that is over hears that nobody may answer. If the worker's
// machine was unplugged, no connection ends. Until the reader's patience ends, its model would have a lease, and the
// units behind that one in the reader's queue would wait, too. Only the reader knows whether bytes still come.
void Coordinator::give_up_transfers_from(WorkerId source) {
  for (const WorkerState& w : workers_) {
    for (const Lease& lease : w.leases) {
      if (lease.source == source) emit(action::SourceGone{{w.id, w.incarnation}, lease.attempt});
    }
  }
  for (const ModelId model : copying_) {
    const Copying& now = *std::as_const(*this).flight(model).copying;
    if (now.copy.source == source) emit(action::SourceGone{now.to, now.copy.attempt});
  }
}

void Coordinator::receive(const Peer& peer, const HeldState& held) {
  if (held.model.index() < flights_.size() && !is_initial(held.version)) {
    const Model& model = ledger_.model(held.model);
    if (auto due = due_commit(peer.worker, held)) return commit(*std::move(due), peer);

    Flight& f = flight(held.model);
    if (f.committing) {
      const record::Commit& pending = unsynced_commit(*f.committing);
      if (after(pending.unit) == held.version && pending.attempt == held.attempt) {
        unsynced_[*f.committing - ledger_.sequence() - 1].waiting = peer;  // COMMITTED goes to its new life
        return;
      }
    }
    const bool newest = held.version == model.version && held.digest == model.digest && model.holder == peer.worker;
    if (newest && !model.file) return;
    const bool known =
        held.version.index() <= model.visits.size() && held.digest == model.visit(before(held.version)).digest;
    const bool is_older = held.version < model.version && may_be_lost(model);
    const bool is_second = held.version <= model.version && (options_.copies > 1 || is_stranded(model));
    const bool is_awaited = held.version <= model.version && f.settling;  // the record may be about it
    const bool may_be_needed = !model.file && (is_older || is_second || is_awaited);
    if (known && (may_be_needed || is_kept_for_clone(held.model, held.version, peer.worker))) {
      f.spares.push_back({peer.worker, held.version, held.attempt});
      return;
    }
  }
  release(peer.worker, held.model, held.version, held.attempt);
}

// The commit of a unit, if `held` is the outcome of the unit that the model needs next: the unit was done before the
// worker or the coordinator died, and never counted. (None if the model waits for the search: then the unit was done
// after a decision that a damaged journal has lost.)
std::optional<record::Commit> Coordinator::due_commit(WorkerId worker, const HeldState& held) const {
  const Flight& f = flight(held.model);
  if (f.leased_to || f.committing || f.settling) return std::nullopt;
  if (waits_for_search(ledger_.model(held.model))) return std::nullopt;
  record::Commit commit = commit_of(held, worker);
  if (ledger_.refusal(commit)) return std::nullopt;
  return commit;
}

// A record may make the newest state of now an older one. At a holder that has begun a new life without it, that older
// state must not count as kept.
void Coordinator::note_gone(WorkerId worker, std::span<const HeldState> held) {
  for (const Model& model : ledger_.models()) {
    const Flight& f = std::as_const(*this).flight(model.id);
    if (model.holder != worker || model.stored_as) continue;
    const bool is_here = std::ranges::any_of(held, [&](const HeldState& h) {
      return h.model == model.id && h.version == model.version && h.digest == model.digest;
    });
    if (f.is_gone == is_here) flight(model.id).is_gone = !is_here;
  }
}

// A state that should lie here but does not is lost: the disk was wiped, or a part of it cannot be read.
void Coordinator::find_losses(WorkerId w, std::span<const HeldState> held) {
  std::set<std::pair<ModelId, Digest>> here;
  for (const HeldState& h : held) here.emplace(h.model, h.digest);
  for (const Model& model : ledger_.models()) {
    if (model.file) continue;
    const std::optional<std::uint64_t> committing = std::as_const(*this).flight(model.id).committing;
    const record::Commit* pending = committing ? &unsynced_commit(*committing) : nullptr;
    if ((pending != nullptr ? pending->worker : model.holder) != w) continue;
    const ModelId stored_as = pending != nullptr ? model.id : model.stored_as.value_or(model.id);
    if (here.contains({stored_as, pending != nullptr ? pending->digest : model.digest})) {
      flight(model.id).loss.reset();
      if (pending == nullptr) release_spares(model.id);
    } else {
      const Version version = model.version + (pending != nullptr ? 1 : 0);
      lose(model.id, "version " + to_string(version) + " is gone from worker " + std::to_string(w.value));
    }
  }
}

// Whether the newest state may be lost: true unless its holder is here and has it.
bool Coordinator::may_be_lost(const Model& model) const {
  return flight(model.id).loss || (model.holder && !workers_[model.holder->index()].alive);
}

}  // namespace hop::hopper
