// What must be true after every step, whatever happened.
#include <set>

#include "base/error.h"
#include "hopper/coordinator.h"

namespace hop::hopper {
namespace {

void require(bool holds, const std::string& invariant, ModelId model) {
  if (!holds)
    throw Error("[coordinator] invariant broken: " + invariant + " (model " + std::to_string(model.value) + ")");
}

}  // namespace

void Coordinator::check_invariants() const {
  const Plan& plan = ledger_.plan();
  std::set<ModelId> leased;
  std::set<Attempt> attempts;
  for (const WorkerState& w : workers_) {
    for (const Lease& lease : w.leases) {
      const Model& model = ledger_.model(lease.model);
      const Flight& f = flight(lease.model);
      require(w.alive, "only the living hold leases", lease.model);
      require(w.leases.size() <= options_.queue_depth, "a worker's queue is bounded", lease.model);
      require(leased.insert(lease.model).second, "at most one lease per model", lease.model);
      require(attempts.insert(lease.attempt).second, "an attempt is used once", lease.model);
      require(lease.attempt < next_attempt_ && lease.attempt < ledger_.reserved(), "attempts are reserved",
              lease.model);
      require(f.leased_to == w.id, "model and worker agree about the lease", lease.model);
      require(!f.committing && !f.ending, "no lease beside a commit or an end", lease.model);
      require(model.status == Status::Running, "only running models are leased", lease.model);
      require(lease.unit == model.version && lease.parent == model.digest,
              "a lease starts from the newest committed state", lease.model);
      require(plan.owner(lease.partition) == w.id, "a partition is visited at its owner", lease.model);
    }
  }
  for (const Model& model : ledger_.models()) {
    const Flight& f = flight(model.id);
    require(!f.leased_to || leased.contains(model.id), "a lease has a worker", model.id);
    require(model.visits.size() == model.version, "one visit per version", model.id);
    require(model.version <= plan.units(), "no unit beyond the last", model.id);
    require(model.holder.has_value() == (model.version > 0), "every committed state lies somewhere", model.id);
    if (!f.committing) continue;
    const record::Commit& pending = unsynced_commit(*f.committing);
    require(pending.model == model.id && pending.unit == model.version && pending.parent == model.digest,
            "a commit continues the newest committed state", model.id);
  }
}

}  // namespace hop::hopper
