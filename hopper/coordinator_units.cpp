// The law of a unit: LEASE, RESULT, COMMIT, SYNCED.
#include <algorithm>
#include <utility>

#include "hopper/coordinator.h"

namespace hop::hopper {

// The current lease if it is this one; it ends here.
std::optional<Lease> Coordinator::take_lease(const Peer& peer, ModelId model, std::uint32_t unit, Attempt attempt) {
  WorkerState* w = alive(peer);
  if (w == nullptr) return std::nullopt;
  const auto found = std::find_if(w->leases.begin(), w->leases.end(), [&](const Lease& lease) {
    return lease.model == model && lease.unit == unit && lease.attempt == attempt;
  });
  if (found == w->leases.end()) return std::nullopt;
  const Lease lease = *found;
  w->leases.erase(found);
  flight(model).leased_to.reset();
  return lease;
}

void Coordinator::on(const event::Result& result) {
  if (const auto lease = take_lease(result.peer, result.model, result.unit, result.attempt)) {
    commit({lease->model,
            lease->unit,
            lease->partition,
            result.peer.worker,
            lease->attempt,
            lease->parent,
            result.digest,
            result.metrics,
            {}},
           result.peer);
  } else if (committed(result.model, result.unit, result.attempt)) {
    answer(result.peer, result.model, result.unit, result.attempt, Verdict::Committed);
  } else if (!is_committing(result.model, result.attempt)) {  // if it is, SYNCED will answer
    answer(result.peer, result.model, result.unit, result.attempt, Verdict::Stale);
  }
}

void Coordinator::on(const event::UnitFailed& failed) {
  const auto lease = take_lease(failed.peer, failed.model, failed.unit, failed.attempt);
  if (!lease) return;
  Flight& f = flight(failed.model);
  switch (failed.failure) {
    case Failure::Cancelled:
      return;
    case Failure::SourceUnreachable:
      if (!lease->source || !worker(*lease->source).alive) return;  // its return is awaited, not counted
      retry_later(f, ++f.unreachable);
      if (f.unreachable >= options_.max_unreachable) {
        quarantine(failed.model, "worker " + std::to_string(failed.peer.worker.value) + " cannot reach worker " +
                                     std::to_string(lease->source->value) + ": " + failed.text);
      }
      return;
    case Failure::OutOfMemory:
    case Failure::Error:
      if (++f.failures >= options_.max_failures) quarantine(failed.model, failed.text);
      return;
  }
}

// The config goes with unit 0, so that the journal tells what the model was.
void Coordinator::commit(record::Commit commit, const Peer& peer) {
  const ModelId model = commit.model;
  if (commit.unit == 0) commit.config = ledger_.model(model).config.to_text();
  flight(model).committing = append(std::move(commit), peer);
}

bool Coordinator::committed(ModelId model, std::uint32_t unit, Attempt attempt) const {
  if (model.index() >= flights_.size()) return false;
  const auto& visits = ledger_.model(model).visits;
  return unit < visits.size() && visits[unit].attempt == attempt;
}

bool Coordinator::is_committing(ModelId model, Attempt attempt) const {
  if (model.index() >= flights_.size() || !flight(model).committing) return false;
  return unsynced_commit(*flight(model).committing).attempt == attempt;
}

void Coordinator::answer(const Peer& peer, ModelId model, std::uint32_t unit, Attempt attempt, Verdict verdict) {
  emit(action::Answer{peer, model, unit, attempt, verdict});
}

void Coordinator::release(WorkerId id, ModelId model, std::uint32_t version, Attempt attempt) {
  const WorkerState& w = workers_[id.index()];
  if (w.alive) emit(action::Release{{w.id, w.incarnation}, model, version, attempt});
}

void Coordinator::on(const event::Synced& synced) {
  while (!unsynced_.empty() && ledger_.sequence() < synced.sequence) {
    const Unsynced entry = std::move(unsynced_.front());
    unsynced_.pop_front();
    std::visit([&](const auto& record) { settle(record, entry); }, entry.record);
  }
}

// The unit counts from here on: its worker hears so, and the state from before it may go.
void Coordinator::settle(const record::Commit& commit, const Unsynced& entry) {
  const Model& before = ledger_.model(commit.model);
  const std::optional<WorkerId> old_holder = before.holder;
  const Attempt old_attempt = before.visits.empty() ? Attempt{} : before.visits.back().attempt;
  ledger_.apply(entry.record);
  flights_.resize(ledger_.models().size());  // the search may have been told, and have asked for more

  const bool lost = std::exchange(flight(commit.model), Flight{}).lost;
  if (entry.waiting) answer(*entry.waiting, commit.model, commit.unit, commit.attempt, Verdict::Committed);
  if (old_holder) release(*old_holder, commit.model, commit.unit, old_attempt);
  if (lost) quarantine_lost(ledger_.model(commit.model));
}

void Coordinator::settle(const record::Reserve&, const Unsynced& entry) {
  ledger_.apply(entry.record);
  reserving_ = false;
}

void Coordinator::settle(const record::Quarantine&, const Unsynced& entry) {
  ledger_.apply(entry.record);
  flights_.resize(ledger_.models().size());
}

void Coordinator::settle(const record::Arithmetic&, const Unsynced& entry) { ledger_.apply(entry.record); }

void Coordinator::settle(const record::Collected& collected, const Unsynced& entry) {
  ledger_.apply(entry.record);
  const Model& model = ledger_.model(collected.model);
  release(*model.holder, model.id, model.version, model.visits.back().attempt);
}

}  // namespace hop::hopper
