// Workers come and go; what they bring with them is adopted, kept or released.
#include <algorithm>

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
  if (!up.arithmetic.empty() && up.arithmetic != ledger_.arithmetic()[w.id.index()]) {
    append(record::Arithmetic{w.id, up.arithmetic});
  }
  find_losses(w.id, up.held);
  for (const HeldState& held : up.held) receive(up.peer, held);
}

void Coordinator::on(const event::WorkerDown& down) {
  if (WorkerState* w = alive(down.peer)) take_down(*w);
}

// Revokes what the worker had. The unit that it was training counts a failure: it may be what killed the worker.
void Coordinator::take_down(WorkerState& w) {
  w.alive = false;
  for (const Lease& lease : w.leases) flight(lease.model).leased_to.reset();
  if (!w.leases.empty()) {
    const ModelId suspect = w.leases.front().model;
    if (++flight(suspect).failures >= options_.max_failures) {
      quarantine(suspect, "unit " + std::to_string(w.leases.front().unit) + " lost its worker " +
                              std::to_string(options_.max_failures) + " times");
    }
  }
  w.leases.clear();
  for (const Model& model : ledger_.models()) {
    if (model.holder == w.id) flight(model.id).collecting = false;
  }
}

void Coordinator::receive(const Peer& peer, const HeldState& held) {
  if (held.model.index() < flights_.size() && held.version > 0) {
    const Model& model = ledger_.model(held.model);
    const std::uint32_t unit = held.version - 1;
    if (is_due(held, peer.worker)) {
      commit({held.model, unit, held.partition, peer.worker, held.attempt, held.parent, held.digest, held.metrics, {}},
             peer);
      return;
    }
    if (const Flight& f = flight(held.model); f.committing) {
      const record::Commit& pending = unsynced_commit(*f.committing);
      if (pending.unit == unit && pending.attempt == held.attempt) {
        unsynced_[*f.committing - ledger_.sequence() - 1].waiting = peer;  // it hears COMMITTED in its new life
        return;
      }
    }
    const bool newest = held.version == model.version && held.digest == model.digest && model.holder == peer.worker;
    if (newest && !model.file) return;
  }
  release(peer.worker, held.model, held.version, held.attempt);
}

// Whether it is the outcome of the unit that the model needs next: done before the worker or the coordinator died, and
// never counted.
bool Coordinator::is_due(const HeldState& held, WorkerId owner) const {
  const Model& model = ledger_.model(held.model);
  const Flight& f = flight(held.model);
  const auto& due = model.candidates;
  return held.version == model.version + 1 && held.parent == model.digest && !f.leased_to && !f.committing &&
         !f.ending && ledger_.may_train(model) && held.attempt < ledger_.reserved() &&
         std::find(due.begin(), due.end(), held.partition) != due.end() &&
         ledger_.plan().owner(held.partition) == owner;
}

// A state that should lie here and does not is gone: its disk was wiped. The run goes on without that model.
void Coordinator::find_losses(WorkerId w, std::span<const HeldState> held) {
  for (const Model& model : ledger_.models()) {
    Flight& f = flight(model.id);
    if (f.lost || f.ending || model.file || model.status == Status::Quarantined) continue;
    const record::Commit* pending = f.committing ? &unsynced_commit(*f.committing) : nullptr;
    const std::optional<WorkerId> holder = pending != nullptr ? pending->worker : model.holder;
    if (holder != w) continue;
    const Digest& newest = pending != nullptr ? pending->digest : model.digest;
    f.lost = std::none_of(held.begin(), held.end(),
                          [&](const HeldState& h) { return h.model == model.id && h.digest == newest; });
    if (f.lost && pending == nullptr) quarantine_lost(model);
  }
}

void Coordinator::quarantine_lost(const Model& model) {
  quarantine(model.id, "version " + std::to_string(model.version) + " is gone from worker " +
                           std::to_string(model.holder->value));
}

}  // namespace hop::hopper
