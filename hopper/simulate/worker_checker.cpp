#include "hopper/simulate/worker_checker.h"

#include <algorithm>
#include <utility>

#include "hopper/simulate/violation.h"

namespace hop::hopper::simulate {

namespace event = worker::event;
namespace action = worker::action;

namespace {

void require(bool holds, const char* promise, ModelId model) {
  if (!holds) throw Violation(std::string(promise) + " (worker, model " + std::to_string(model.value) + ")");
}

}  // namespace

WorkerChecker::Watched& WorkerChecker::known(Attempt attempt, const char* promise, ModelId model) {
  const auto unit = units_.find(attempt);
  require(unit != units_.end(), promise, model);
  return unit->second;
}

// ---- what goes in ---------------------------------------------------------------------------------------------------

void WorkerChecker::hears(const worker::Event& event) {
  std::visit([this](const auto& e) { note(e); }, event);
}

void WorkerChecker::note(const event::Opened& opened) {
  units_.clear();
  copies_.clear();
  void_.clear();
  released_.clear();
  owed_.reset();
  dropped_.reset();
  hopeless_.reset();
  broken_.reset();
  has_ended_ = false;
  found_ = opened.held;
}

void WorkerChecker::note(const event::Leased& leased) {
  Watched unit;
  unit.lease = leased.lease;
  unit.is_here = leased.source.empty() && !is_first(leased.lease.unit);
  units_.try_emplace(leased.lease.attempt, std::move(unit));
}

void WorkerChecker::note(const event::Cancelled& cancelled) {
  const auto unit = units_.find(cancelled.attempt);
  if (unit == units_.end()) {
    if (cancelled.abandon) void_.insert(cancelled.attempt);
    return;
  }
  unit->second.cancelled = true;
  unit->second.abandoned = unit->second.abandoned || cancelled.abandon;
}

void WorkerChecker::note(const event::SourceGone& gone) {
  if (const auto unit = units_.find(gone.attempt); unit != units_.end()) {
    Watched& watched = unit->second;
    watched.source_gone = true;
    const bool fetches = watched.prepared && !watched.is_here && !is_first(watched.lease.unit);
    if (fetches && !watched.parent && !watched.given_up) hopeless_ = gone.attempt;
  }
  if (const auto copy = copies_.find(gone.attempt); copy != copies_.end()) {
    if (!copy->second.arrived && !copy->second.answered) hopeless_ = gone.attempt;
  }
}

void WorkerChecker::note(const event::Answered& answered) {
  if (answered.verdict == Verdict::Stale) must_delete({answered.model, after(answered.unit), answered.attempt});
}

// Expects the deletion of a state that lies here. A repeated order may come while the file is being deleted.
void WorkerChecker::must_delete(const worker::StateName& state) {
  const bool is_repeated = std::find(released_.begin(), released_.end(), state) != released_.end();
  const auto file = file_(state.model, state.version);
  if (!is_repeated && file && file->attempt == state.attempt && !is_replaced(state)) owed_ = state;
  released_.push_back(state);
}

// Whether a newer state of this name is on its way to the disk, or there.
bool WorkerChecker::is_replaced(const worker::StateName& state) const {
  return std::any_of(units_.begin(), units_.end(), [&](const auto& entry) {
    const Watched& unit = entry.second;
    const bool has_its_name = unit.lease.model == state.model && after(unit.lease.unit) == state.version;
    return has_its_name && unit.lease.is_lead() && entry.first > state.attempt && unit.trained && !unit.given_up;
  });
}

void WorkerChecker::note(const event::Arrived& arrived) { units_.at(arrived.attempt).parent = arrived.digest; }
void WorkerChecker::note(const event::Trained& trained) { units_.at(trained.attempt).trained = true; }
void WorkerChecker::note(const event::Failed& failed) { units_.at(failed.attempt).failures.push_back(failed.failure); }
void WorkerChecker::note(const event::Broken& broken) { broken_ = broken.trouble; }

void WorkerChecker::note(const event::Saved& saved) {
  const auto unit = units_.find(saved.attempt);  // the last file of an earlier life may be reported in this life
  if (unit != units_.end()) unit->second.file = saved.digest;
}

void WorkerChecker::note(const event::CopyOrdered& ordered) {
  copies_.try_emplace(ordered.copy.attempt, WatchedCopy{ordered.copy, {}});
}

void WorkerChecker::note(const event::CopyArrived& arrived) { copies_.at(arrived.attempt).arrived = arrived.digest; }

void WorkerChecker::note(const event::CopySaved& saved) {
  const auto copy = copies_.find(saved.attempt);  // as with Saved
  if (copy != copies_.end()) copy->second.saved = true;
}

// ---- what comes out -------------------------------------------------------------------------------------------------

void WorkerChecker::sees(const worker::Action& action) {
  require(!has_ended_, "a life that has ended does nothing", {});
  std::visit([this](const auto& a) { judge(a); }, action);
}

void WorkerChecker::after_step() {
  require(!broken_ || has_ended_, "a worker that cannot go on ends", {});
  require(has_ended_ || !owed_, "what the coordinator releases is deleted", owed_.value_or(worker::StateName{}).model);
  require(!dropped_ || units_.at(*dropped_).given_up || units_.at(*dropped_).told,
          "a lease that comes to nothing is given back", dropped_ ? units_.at(*dropped_).lease.model : ModelId{});
  if (hopeless_ && !has_ended_) judge_hopeless(*hopeless_);
  owed_.reset();
  dropped_.reset();
  hopeless_.reset();
}

void WorkerChecker::judge_hopeless(Attempt attempt) const {
  const auto unit = units_.find(attempt);
  const bool is_unit = unit != units_.end();
  require(is_unit ? unit->second.given_up : copies_.at(attempt).answered, "nobody waits for a source that is gone",
          is_unit ? unit->second.lease.model : copies_.at(attempt).copy.model);
}

void WorkerChecker::judge(const action::Offer& offer) const {
  require(offer.held == found_, "the states on the disk are offered, and no others", {});
}

void WorkerChecker::judge(const action::Prepare& prepare) {
  Watched& unit = known(prepare.lease.attempt, "only what was leased is taken up", prepare.lease.model);
  require(!void_.contains(prepare.lease.attempt), "a lease that was void before it came is not taken up",
          prepare.lease.model);
  require(!std::exchange(unit.prepared, true), "an attempt is taken up once", prepare.lease.model);
}

void WorkerChecker::judge(const action::Train& train) {
  const ModelId model = train.lease.model;
  Watched& unit = known(train.lease.attempt, "only what was leased is trained", model);
  require(unit.lease == train.lease, "a unit is trained as it was leased", model);
  require(!unit.given_up, "what was given back is not trained", model);
  require(!std::exchange(unit.begun, true), "a unit is trained once", model);
  require(is_first(unit.lease.unit) || unit.parent == unit.lease.parent, "a unit is trained on the parent of its lease",
          model);
  for (const auto& [attempt, other] : units_) {
    const bool is_over = other.given_up || other.trained || void_.contains(attempt);
    if (attempt == train.lease.attempt || is_over) continue;
    require(!other.begun, "units are trained one at a time", model);
    require(attempt > train.lease.attempt, "units are trained in the order of their leases", model);
  }
}

void WorkerChecker::judge(const action::Save& save) const {
  const auto unit = units_.find(save.state.attempt);
  require(unit != units_.end() && unit->second.trained, "what was trained is saved", save.state.model);
  require(unit->second.lease.is_lead(), "of a group only the lead saves the state", save.state.model);
}

void WorkerChecker::judge(const action::TellConfirmed& tell) {
  const ModelId model = tell.lease.model;
  Watched& unit = known(tell.lease.attempt, "only what was leased is confirmed", model);
  require(unit.trained && !unit.lease.is_lead(), "a member confirms what it has trained", model);
  require(!unit.given_up && !std::exchange(unit.told, true), "a unit is confirmed once", model);
}

void WorkerChecker::judge(const action::TellResult& tell) {
  const ModelId model = tell.state.model;
  Watched& unit = known(tell.state.attempt, "only what was leased is told", model);
  require(unit.file.has_value(), "a result is told when its file is durable", model);
  require(unit.file == tell.state.digest, "a result names the digest of its file", model);
  require(!std::exchange(unit.told, true), "a result is told once", model);
}

void WorkerChecker::judge(const action::TellFailed& tell) {
  const ModelId model = tell.lease.model;
  Watched& unit = known(tell.lease.attempt, "only what was leased is given back", model);
  require(!unit.told && !std::exchange(unit.given_up, true), "a lease is given back once", model);
  const auto has_met = [&](Failure failure) {
    return std::find(unit.failures.begin(), unit.failures.end(), failure) != unit.failures.end();
  };
  switch (tell.failure) {
    case Failure::Cancelled:
      return require(unit.cancelled && (!unit.begun || unit.abandoned), "what has begun is not given back", model);
    case Failure::MemberLost:
    case Failure::Error:
    case Failure::OutOfMemory:
      return require(has_met(tell.failure), "no trouble of a machine is held against a model", model);
    case Failure::SourceGone:
      require(unit.source_gone && !is_first(unit.lease.unit), "only a source that is gone is given up", model);
      return require(!unit.begun && !unit.is_here && !unit.parent, "a parent that is here outlives its source", model);
    case Failure::StateLost:
      return require(has_met(tell.failure) || unit.is_here, "what is called lost was looked for", model);
    case Failure::StateDamaged:
    case Failure::SourceUnreachable:
    case Failure::NoRoom:
      return;
  }
}

void WorkerChecker::judge(const action::Serve& serve) const {
  const auto file = file_(serve.state.model, serve.state.version);
  require(!file || file->attempt == serve.state.attempt, "what is sent is the state that lies here", serve.state.model);
  const bool is_known =
      std::any_of(found_.begin(), found_.end(),
                  [&](const HeldState& s) {
                    return s.model == serve.state.model && s.version == serve.state.version &&
                           s.attempt == serve.state.attempt;
                  }) ||
      std::any_of(units_.begin(), units_.end(),
                  [&](const auto& entry) { return entry.second.file && entry.first == serve.state.attempt; }) ||
      std::any_of(copies_.begin(), copies_.end(),
                  [&](const auto& entry) { return entry.second.saved && entry.first == serve.state.attempt; });
  require(is_known, "only durable states are sent", serve.state.model);
}

// The disk deletes by name. So a file of another attempt, here or on its way, must not have that name.
void WorkerChecker::judge(const action::Delete& order) {
  const ModelId model = order.state.model;
  require(std::find(released_.begin(), released_.end(), order.state) != released_.end(),
          "a state is deleted when the coordinator said so", model);
  const auto file = file_(model, order.state.version);
  require(!file || file->attempt == order.state.attempt, "only the state that was named is deleted", model);
  require(!is_replaced(order.state), "a state on its way to the disk is not deleted", model);
  if (owed_ == order.state) owed_.reset();
}

WorkerChecker::WatchedCopy& WorkerChecker::known_copy(const Copy& copy) {
  const auto found = copies_.find(copy.attempt);
  require(found != copies_.end() && found->second.copy == copy, "only what was ordered is copied", copy.model);
  return found->second;
}

void WorkerChecker::judge(const action::SaveCopy& save) {
  const WatchedCopy& watched = known_copy(save.copy);
  require(watched.arrived == save.copy.digest, "a copy has the digest of its order", save.copy.model);
  require(!watched.answered, "a copy that was given up is not saved", save.copy.model);
}

void WorkerChecker::judge(const action::TellCopied& tell) {
  WatchedCopy& watched = known_copy(tell.copy);
  require(watched.saved, "a copy is told when its file is durable", tell.copy.model);
  require(!std::exchange(watched.answered, true), "an order to copy is answered once", tell.copy.model);
}

void WorkerChecker::judge(const action::TellNotCopied& tell) {
  require(!std::exchange(known_copy(tell.copy).answered, true), "an order to copy is answered once", tell.copy.model);
}

void WorkerChecker::judge(const action::End& end) {
  require(broken_ == end.trouble, "a worker ends when it cannot go on", {});
  has_ended_ = true;
}

}  // namespace hop::hopper::simulate
