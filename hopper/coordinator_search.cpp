// The search has the word at the end of each tick. Its answers count once they are durable: then models are born, stop,
// pause and go on.
#include <algorithm>
#include <utility>

#include "hopper/coordinator.h"

namespace hop::hopper {

// Decides the tick in progress when it is over. The records of a decision refer to each other, so the journal takes
// them unchecked: the conversation has checked them. A model that is about to come back will take part in the tick, so
// the decision waits for it.
void Coordinator::consult() {
  if (stopping_ || deciding_ || !ledger_.tick_is_over() || !talk_.can_decide()) return;
  const bool someone_returns = std::any_of(unsynced_.begin(), unsynced_.end(), [](const Unsynced& entry) {
    return std::holds_alternative<record::Retry>(entry.record);
  });
  if (someone_returns) return;
  deciding_ = true;
  for (Record& record : talk_.decide(ledger_, [this](const Parent& parent) { return find_state(parent); })) {
    if (const auto* asked = std::get_if<record::Asked>(&record)) pin(*asked);
    append_unchecked(std::move(record));
  }
}

// The state of an epoch's end: the newest one of the parent, unless it is taken for lost, or a spare that is still
// kept. The spare goes first where the parent's holder is gone: the parent goes on from it, too.
std::optional<record::Place> Coordinator::find_state(const Parent& parent) const {
  const Model& model = ledger_.model(parent.model);
  const Version version = ledger_.itinerary().end_of(parent.epoch);
  std::optional<record::Place> newest;
  if (model.version == version && !model.file && !flight(model.id).loss) {
    newest = record::Place{*model.holder, model.newest_attempt()};
    if (workers_[model.holder->index()].presence != Presence::Gone) return newest;
  }
  const bool is_lent = model.stored_as && model.version == version;  // a copy of that lies in another name
  for (const Spare& spare : flight(model.id).spares) {
    if (spare.version == version && !spare.is_lost && !is_lent) return record::Place{spare.worker, spare.attempt};
  }
  return newest;
}

void Coordinator::pin(const record::Asked& asked) {
  if (!asked.place) return;
  const Model& parent = ledger_.model(asked.parent->model);
  const Version version = ledger_.itinerary().end_of(asked.parent->epoch);
  const bool is_lent_on = parent.stored_as && parent.version == version;
  pins_.push_back({asked.model, is_lent_on ? *parent.stored_as : parent.id, version, asked.place->worker});
}

// The clone does not need the state of its parent any more: it has a state of its own, or begins again. The parent's
// state may go if the parent does not need it.
void Coordinator::unpin(ModelId clone) {
  const auto pin = std::find_if(pins_.begin(), pins_.end(), [&](const Pin& p) { return p.clone == clone; });
  if (pin == pins_.end()) return;
  const Model& lender = ledger_.model(pin->stored_as);
  pins_.erase(pin);
  if (lender.file || !may_be_lost(lender)) release_spares(lender.id);
}

// A state lies there, perhaps again: clones that begin with it and were told that it is lost need not go back.
void Coordinator::find_again(ModelId stored_as, Version version, WorkerId worker) {
  for (const Pin& pin : pins_) {
    const bool is_it = pin.stored_as == stored_as && pin.version == version && pin.worker == worker;
    if (!is_it || pin.clone.index() >= flights_.size()) continue;
    Flight& f = flight(pin.clone);
    f.is_found_again = f.leased_to.has_value();
    if (!f.committing && !f.settling) f.loss.reset();
  }
}

bool Coordinator::is_kept_for_clone(ModelId stored_as, Version version, WorkerId worker) const {
  return std::any_of(pins_.begin(), pins_.end(), [&](const Pin& pin) {
    return pin.stored_as == stored_as && pin.version == version && pin.worker == worker;
  });
}

// True if there is no search to decide, and all work that needs no decision is done.
bool Coordinator::needs_search() const {
  if (talk_.can_decide() || !ledger_.tick_is_over() || !owing_.empty() || !unresolved_.empty()) return false;
  const auto models = ledger_.models();
  return std::none_of(models.begin(), models.end(),
                      [](const Model& model) { return model.is_behind() && model.status != Status::Quarantined; });
}

void Coordinator::settle(const record::Asked&, const Unsynced& entry) { ledger_.apply(entry.record); }

void Coordinator::settle(const record::Ordered&, const Unsynced& entry) { ledger_.apply(entry.record); }

// Written before a coordinator begins, never by one.
void Coordinator::settle(const record::Extended&, const Unsynced& entry) { ledger_.apply(entry.record); }

// The decision may have concerned any model, and any model may have waited for it.
void Coordinator::settle(const record::Ticked&, const Unsynced& entry) {
  ledger_.apply(entry.record);
  deciding_ = false;
  flights_.resize(ledger_.models().size());
  for (const Model& model : ledger_.models()) touch(model.id);
}

}  // namespace hop::hopper
