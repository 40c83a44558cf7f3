// Lost units are trained again, and models that fail too often are set aside. Both decisions wait for the outcome of a
// pending lease or commit, because a newer state may settle the matter.
#include <algorithm>

#include "hopper/coordinator.h"

namespace hop::hopper {

void Coordinator::lose(ModelId model, std::string why) {
  flight(model).loss = std::move(why);
  unresolved_.push_back(model);
}

// A fault of the model itself. `max_failures` without progress are too many. Units that are trained again after a loss
// are no progress. Otherwise a unit that ends its worker and destroys the states there would be tried for ever.
void Coordinator::blame(ModelId model, std::string what) {
  Flight& f = flight(model);
  f.failed_unit = std::max(f.failed_unit, ledger_.model(model).next_unit());
  if (++f.failures < options_.max_failures) return;
  f.fault = std::move(what);
  unresolved_.push_back(model);
}

// The model's newest state could not be read, or arrived damaged. The trouble may pass; after `max_damaged` times the
// state counts as lost.
void Coordinator::spoil(ModelId model, const std::string& text) {
  Flight& f = flight(model);
  if (++f.damaged >= options_.max_damaged) return lose(model, text);
  retry_later(f, f.damaged);
}

void Coordinator::resolve() {
  std::erase_if(unresolved_, [this](ModelId model) { return resolve(ledger_.model(model)); });
}

// Decides about a model if possible. Returns whether nothing is left to decide.
bool Coordinator::resolve(const Model& model) {
  Flight& f = flight(model.id);
  if ((!f.loss && !f.fault) || model.file || model.status == Status::Quarantined) return true;
  if (f.leased_to || f.committing || f.settling) return false;
  if (f.fault) {
    append_final(model.id, record::Quarantine{model.id, *std::exchange(f.fault, std::nullopt)});
    return true;
  }
  if (const auto copy = find_copy(model, false)) {
    move(model, *copy, *f.loss);
    return true;
  }
  if (f.copying || !were_all_here()) return false;
  roll_back(model, *f.loss);
  return true;
}

// Whether every worker has been here since the coordinator began. Before that, a missing worker may still bring a newer
// version than all others have.
bool Coordinator::were_all_here() const {
  return std::all_of(workers_.begin(), workers_.end(), [](const WorkerState& w) { return w.incarnation.value > 0; });
}

void Coordinator::roll_back(const Model& model, const std::string& why) {
  record::Rollback rollback{model.id, Version{}, std::nullopt, {}, why};
  for (const Spare& spare : flight(model.id).spares) {
    // A spare that is kept for a clone may be newer, if the model has been rolled back before.
    if (spare.version >= model.version || spare.version <= rollback.version || spare.is_lost) continue;
    rollback.version = spare.version;
    rollback.worker = spare.worker;
    rollback.attempt = spare.attempt;
  }
  append_final(model.id, std::move(rollback));
}

// Three kinds of spares stay in the list: those of workers that are away, because the newest state may get lost
// meanwhile, those with which a clone begins, and the second place of the newest state. A record on its way may make
// any of them the newest state, so its settling releases them.
void Coordinator::release_spares(ModelId model) {
  if (flight(model).settling) return;
  const std::optional<Spare> second = second_place(ledger_.model(model));
  std::erase_if(flight(model).spares, [&](const Spare& spare) {
    if (is_kept_for_clone(model, spare.version, spare.worker)) return false;
    if (second && spare.worker == second->worker && spare.version == second->version) return false;
    release(spare.worker, model, spare.version, spare.attempt);
    return workers_[spare.worker.index()].alive;
  });
}

}  // namespace hop::hopper
