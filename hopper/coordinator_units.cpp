// The law of a unit: LEASE, RESULT, COMMIT, SYNCED.
#include <algorithm>
#include <concepts>
#include <type_traits>
#include <utility>

#include "hopper/coordinator.h"

namespace hop::hopper {

// Ends and returns the lease that a result or a failure of its holder ends; none if it is not current. Only the lead of
// a group has results.
template <class E>
std::optional<Lease> Coordinator::take_lease(const E& end, GroupFate fate) {
  WorkerState* w = alive(end.peer);
  if (w == nullptr) return std::nullopt;
  const auto found = std::find_if(w->leases.begin(), w->leases.end(), [&](const Lease& lease) {
    return lease.model == end.model && lease.unit == end.unit && lease.attempt == end.attempt;
  });
  if (found == w->leases.end() || (fate == GroupFate::Done && !found->is_lead())) return std::nullopt;
  const Lease lease = *found;
  w->leases.erase(found);
  end_lease(lease, fate);
  return lease;
}

// Ends a lease that its holder has no more, for the other members of its group, too. All of them have confirmed before
// the result, and abandon the unit after anything else.
void Coordinator::end_lease(const Lease& lease, GroupFate fate) {
  flight(lease.model).leased_to.reset();
  for (const WorkerId member : lease.members) {
    WorkerState& w = worker(member);
    const auto same = [&](const Lease& held) { return held.attempt == lease.attempt; };
    if (std::erase_if(w.leases, same) == 0 || fate == GroupFate::Done) continue;
    w.abandons = lease.attempt;
    emit(action::CancelLease{{w.id, w.incarnation}, lease.model, lease.attempt, true});
  }
}

// The end of a unit that the worker had to abandon: its own answer, or that of a unit which it has trained since. The
// failure of a later lease says nothing: the lease may have waited behind the abandoned unit.
void Coordinator::note_answer(const Peer& peer, Attempt attempt, bool is_trained) {
  WorkerState* w = alive(peer);
  if (w == nullptr || !w->abandons) return;
  if (attempt == *w->abandons || (is_trained && attempt > *w->abandons)) w->abandons.reset();
}

// From here on the member may be reserved by another group.
void Coordinator::on(const event::Confirmed& confirmed) {
  note_answer(confirmed.peer, confirmed.attempt, true);
  WorkerState* w = alive(confirmed.peer);
  if (w == nullptr) return;
  std::erase_if(w->leases, [&](const Lease& lease) {
    return lease.model == confirmed.model && lease.attempt == confirmed.attempt && !lease.is_lead();
  });
}

void Coordinator::on(const event::Result& result) {
  note_answer(result.peer, result.attempt, true);
  if (const auto lease = take_lease(result, GroupFate::Done)) {
    record::Commit done = commit_of({lease->model, after(lease->unit), lease->partition, lease->attempt, lease->parent,
                                     result.digest, result.metrics},
                                    result.peer.worker);
    if (const auto refused = ledger_.refusal(done)) {  // a repeated unit gave other bits than before
      answer(result.peer, result.model, result.unit, result.attempt, Verdict::Stale);
      return blame(result.model, *refused);
    }
    commit(std::move(done), result.peer);
  } else if (committed(result.model, result.unit, result.attempt)) {
    answer(result.peer, result.model, result.unit, result.attempt, Verdict::Committed);
  } else if (is_spare(result.peer.worker, result.model, after(result.unit), result.attempt)) {
    return;  // it was answered before its model went on from a copy; STALE would delete what may be needed
  } else if (!is_committing(result.model, result.attempt)) {  // if it is committing, SYNCED will answer
    answer(result.peer, result.model, result.unit, result.attempt, Verdict::Stale);
  }
}

void Coordinator::on(const event::UnitFailed& failed) {
  note_answer(failed.peer, failed.attempt, false);
  const auto lease = take_lease(failed, GroupFate::Abandoned);
  if (!lease) return;
  Flight& f = flight(failed.model);
  const WorkerId holder = lease->source.value_or(failed.peer.worker);
  switch (failed.failure) {
    case Failure::Cancelled:
    case Failure::SourceGone:
      return;
    case Failure::MemberLost:
    case Failure::NoRoom:
      return retry_later(f, ++f.unreachable);
    case Failure::SourceUnreachable:
      if (worker(holder).alive) retry_later(f, ++f.unreachable);  // otherwise the model waits for the holder's return
      return;
    case Failure::StateLost:
      if (worker(holder).alive && !is_first(lease->unit) && !f.is_found_again) lose(failed.model, failed.text);
      return;
    case Failure::StateDamaged:
      if (worker(holder).alive && !is_first(lease->unit)) spoil(failed.model, failed.text);
      return;
    case Failure::OutOfMemory:
    case Failure::Error:
      return blame(failed.model, failed.text);
  }
}

record::Commit Coordinator::commit_of(const HeldState& state, WorkerId worker) {
  return {state.model,   before(state.version), state.partition, worker,
          state.attempt, state.parent,          state.digest,    state.metrics};
}

// Commits a unit. If the newest state was taken for lost, the new state settles the matter.
void Coordinator::commit(record::Commit commit, const Peer& peer) {
  Flight& f = flight(commit.model);
  f.loss.reset();
  find_again(commit.model, after(commit.unit), commit.worker);
  f.committing = append(std::move(commit), peer);
}

bool Coordinator::committed(ModelId model, Unit unit, Attempt attempt) const {
  if (model.index() >= flights_.size()) return false;
  const auto& visits = ledger_.model(model).visits;
  return unit.index() < visits.size() && visits[unit.index()].attempt == attempt;
}

bool Coordinator::is_committing(ModelId model, Attempt attempt) const {
  if (model.index() >= flights_.size() || !flight(model).committing) return false;
  return unsynced_commit(*flight(model).committing).attempt == attempt;
}

void Coordinator::answer(const Peer& peer, ModelId model, Unit unit, Attempt attempt, Verdict verdict) {
  emit(action::Answer{peer, model, unit, attempt, verdict});
}

void Coordinator::release(WorkerId id, ModelId model, Version version, Attempt attempt) {
  const WorkerState& w = workers_[id.index()];
  if (w.alive) emit(action::Release{{w.id, w.incarnation}, model, version, attempt});
}

void Coordinator::on(const event::Synced& synced) {
  while (!unsynced_.empty() && ledger_.sequence() < synced.sequence) {
    const Unsynced entry = std::move(unsynced_.front());
    unsynced_.pop_front();
    std::visit(
        [&](const auto& record) {
          settle(record, entry);
          constexpr bool is_asked = std::same_as<std::decay_t<decltype(record)>, record::Asked>;  // no model yet
          if constexpr (!is_asked && requires { record.model; }) check(ledger_.model(record.model));
        },
        entry.record);
  }
}

// From here on the unit counts: its worker is told, and the state before it may be deleted.
void Coordinator::settle(const record::Commit& commit, const Unsynced& entry) {
  const Model& model = ledger_.model(commit.model);
  const std::optional<WorkerId> old_holder = model.holder;
  const Attempt old_attempt = model.newest_attempt();
  const bool was_lent = model.stored_as.has_value();
  const std::optional<Visit> again = model.is_behind() ? std::optional(model.visit(commit.unit)) : std::nullopt;
  ledger_.apply(entry.record);
  if (again) release_lost(*again, commit);

  Flight& f = flight(commit.model);
  const bool is_gone = f.is_gone;
  f = begin_anew(std::move(f));
  if (commit.unit >= f.failed_unit) f.failures = 0;
  if (was_lent) {
    unpin(commit.model);
  } else if (old_holder && !is_gone) {
    f.spares.push_back({*old_holder, before(commit.unit), old_attempt});
  }
  if (entry.waiting) answer(*entry.waiting, commit.model, commit.unit, commit.attempt, Verdict::Committed);
  if (!may_be_lost(ledger_.model(commit.model))) release_spares(commit.model);
}

// A lost unit was done again on another worker, as a strategy may allow. Its old state may still lie on the first
// worker, damaged or out of reach at the time. There no new state of the same name will replace it, so it is released:
// now, or when the clone that begins with it needs it no more.
void Coordinator::release_lost(const Visit& before, const record::Commit& commit) {
  if (before.worker == commit.worker) return;
  const Version version = after(commit.unit);
  if (is_kept_for_clone(commit.model, version, before.worker)) {
    flight(commit.model).spares.push_back({before.worker, version, before.attempt, true});
  } else {
    release(before.worker, commit.model, version, before.attempt);
  }
}

// The newest state is taken for lost. A copy from which the model had gone on may still lie at its holder, damaged or
// out of reach. The unit will be trained elsewhere, and no new state of the same name will replace the copy. So it is
// released as a lost one is.
void Coordinator::release_given_up(const Model& model) {
  if (!model.holder || model.stored_as || model.visit(before(model.version)).worker == model.holder) return;
  if (is_kept_for_clone(model.id, model.version, *model.holder)) {
    flight(model.id).spares.push_back({*model.holder, model.version, model.newest_attempt(), true});
  } else {
    release(*model.holder, model.id, model.version, model.newest_attempt());
  }
}

// The facts about the unit before are dropped. Two are kept: the state may be lost already, and the next unit may have
// failed before it was due again.
Coordinator::Flight Coordinator::begin_anew(Flight&& before) {
  Flight f;
  f.loss = std::move(before.loss);
  f.failures = before.failures;
  f.failed_unit = before.failed_unit;
  f.spares = std::move(before.spares);
  f.copying = std::move(before.copying);
  f.touched = before.touched;
  f.open = before.open;
  f.seconds = before.seconds;
  f.units = before.units;
  return f;
}

void Coordinator::settle(const record::Reserve&, const Unsynced& entry) {
  ledger_.apply(entry.record);
  reserving_ = false;
}

void Coordinator::settle(const record::Quarantine& quarantine, const Unsynced& entry) {
  ledger_.apply(entry.record);
  flight(quarantine.model).settling = false;
}

void Coordinator::settle(const record::Arithmetic&, const Unsynced& entry) { ledger_.apply(entry.record); }

void Coordinator::settle(const record::Rollback& rollback, const Unsynced& entry) {
  release_given_up(ledger_.model(rollback.model));
  ledger_.apply(entry.record);
  Flight& f = flight(rollback.model);
  f = begin_anew(std::move(f));
  f.loss.reset();
  unpin(rollback.model);
  const bool is_there = !rollback.worker || take_spare(rollback.model, *rollback.worker, rollback.attempt);
  // A state that is newer than the rollback may have been offered since the record was written. It comes too late.
  std::erase_if(f.spares, [&](const Spare& s) {
    if (s.version <= rollback.version || is_kept_for_clone(rollback.model, s.version, s.worker)) return false;
    release(s.worker, rollback.model, s.version, s.attempt);
    return true;
  });
  if (!is_there) lose_place(ledger_.model(rollback.model));
  if (!may_be_lost(ledger_.model(rollback.model))) release_spares(rollback.model);
}

void Coordinator::settle(const record::Retry& retry, const Unsynced& entry) {
  ledger_.apply(entry.record);
  Flight& f = flight(retry.model);
  f.settling = false;
  f.failures = 0;
  if (f.loss) unresolved_.push_back(retry.model);
}

void Coordinator::settle(const record::Collected& collected, const Unsynced& entry) {
  ledger_.apply(entry.record);
  Flight& f = flight(collected.model);
  f.settling = false;
  const Model& model = ledger_.model(collected.model);
  if (!model.file) return;  // it was the best state: the worker still needs the newest one
  f.spares.push_back({*model.holder, model.version, model.newest_attempt()});
  release_spares(model.id);
}

}  // namespace hop::hopper
