// The invariants after every step.
#include <set>

#include "base/error.h"
#include "hopper/coordinator.h"

namespace hop::hopper {
namespace {

void require(bool holds, const char* invariant, ModelId model) {
  if (!holds) {
    throw Error(std::string("[coordinator] invariant broken: ") + invariant + " (model " + std::to_string(model.value) +
                ")");
  }
}

}  // namespace

void Coordinator::check_invariants() const {
  std::set<ModelId> leased;
  std::set<Attempt> attempts;
  for (const WorkerState& w : workers_) {
    check(w);
    for (const Lease& lease : w.leases) {
      if (!lease.is_lead()) continue;
      require(leased.insert(lease.model).second, "at most one lease per model", lease.model);
      require(attempts.insert(lease.attempt).second, "an attempt is used once", lease.model);
    }
  }
  for (const Model& model : ledger_.models()) {
    check(model);
    require(!flight(model.id).leased_to || leased.contains(model.id), "a lease has a worker", model.id);
  }
}

void Coordinator::check(const WorkerState& w) const {
  require(w.alive == (w.presence <= Presence::SentHome), "who is away is not alive", {});
  for (const Lease& lease : w.leases) {
    const Model& model = ledger_.model(lease.model);
    const Flight& f = flight(lease.model);
    require(w.alive, "only the living hold leases", lease.model);
    require(w.leases.size() <= options_.queue_depth, "a worker's queue is bounded", lease.model);
    require(lease.attempt < next_attempt_ && lease.attempt < ledger_.reserved(), "attempts are reserved", lease.model);
    require(f.leased_to == (lease.has_group() ? lease.members.front() : w.id), "model and worker agree about the lease",
            lease.model);
    require(!lease.has_group() || (w.leases.size() == 1 && lease.members.at(lease.rank) == w.id),
            "a member of a group has one lease, its own", lease.model);
    require(!f.committing && !f.settling, "no lease beside a commit or an end", lease.model);
    require(model.status != Status::Quarantined && ledger_.units_left(model) > 0, "only who has work left is leased",
            lease.model);
    require(lease.unit == model.next_unit() && lease.parent == model.digest,
            "a lease starts from the newest committed state", lease.model);
    require(!lease.is_lead() || ledger_.itinerary().may_train(w.id, lease.partition),
            "a unit is leased to a worker that may train it", lease.model);
  }
}

void Coordinator::check(const Model& model) const {
  const Flight& f = flight(model.id);
  require(model.visits.size() >= model.version.index(), "one visit per version", model.id);
  require(model.visits.size() <= ledger_.itinerary().units(), "no unit beyond the last", model.id);
  require(model.holder.has_value() == !is_initial(model.version), "every committed state lies somewhere", model.id);
  require(!f.committing || !f.settling, "one record of a model at a time", model.id);
  for (const Spare& spare : f.spares) {
    require(spare.version <= model.version || f.committing || f.settling || model.file ||
                is_kept_for_clone(model.id, spare.version, spare.worker),
            "a spare is not newer than the newest", model.id);
  }
  require(f.copying.has_value() == copying_.contains(model.id), "a copy on its way is counted", model.id);
  if (!f.committing) return;
  const record::Commit& pending = unsynced_commit(*f.committing);
  require(pending.model == model.id && pending.unit == model.next_unit() && pending.parent == model.digest,
          "a commit continues the newest committed state", model.id);
}

// Checks everything after rare events. After the frequent events of a unit, checks only its model and its workers.
// (SYNCED looks at each model as its record settles.)
void Coordinator::check_after(const Event& event) const {
  const bool is_common = std::holds_alternative<event::Synced>(event) || std::holds_alternative<event::Timer>(event) ||
                         std::holds_alternative<event::Result>(event) || std::holds_alternative<event::Copied>(event) ||
                         std::holds_alternative<event::CopyFailed>(event) ||
                         std::holds_alternative<event::Confirmed>(event);
  if (is_common) {
    for (const ModelId model : looked_at_) {
      check(ledger_.model(model));
      if (const auto& holder = flight(model).leased_to) check(workers_[holder->index()]);
    }
  } else if (const auto* collected = std::get_if<event::Collected>(&event)) {
    check(ledger_.model(collected->model));
  } else {
    check_invariants();
  }
}

}  // namespace hop::hopper
