// The facts of a run, and the records of units and models that change them. ledger_ticks.cpp has the records of the
// search. Long because each record changes facts of its own.
#include "hopper/ledger.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "hopper/ledger_internal.h"

namespace hop::hopper {

std::string to_string(Status status) {
  static constexpr const char* kNames[] = {"running", "finished", "stopped", "diverged", "quarantined", "paused"};
  return kNames[static_cast<std::size_t>(status)];
}

Ledger::Ledger(Itinerary itinerary) : itinerary_(itinerary) {
  itinerary_.check();
  arithmetic_.resize(itinerary_.workers);
}

void Ledger::apply(const Record& record) {
  std::visit(
      [this](const auto& r) {
        check(r);
        add(r);
      },
      record);
  ++sequence_;
}

const Model& Ledger::model(ModelId id) const {
  if (id.index() >= models_.size()) {
    throw IndexError("[ledger] expected a model below " + std::to_string(models_.size()) + ", got " + name(id));
  }
  return models_[id.index()];
}

const Model& Ledger::known(ModelId id) const {
  if (id.index() >= models_.size()) contradiction(std::to_string(models_.size()) + " models", "another one", id);
  return models_[id.index()];
}

std::optional<std::string> Ledger::refusal(const Record& record) const {
  try {
    std::visit([this](const auto& r) { check(r); }, record);
    return std::nullopt;
  } catch (const JournalError& error) {
    return error.what();
  }
}

bool Ledger::may_train(const Model& model) const {
  if (owes_best(model)) return false;
  if (model.is_behind()) return model.status != Status::Quarantined;
  return model.status == Status::Running;
}

std::uint32_t Ledger::units_left(const Model& model) const {
  const auto done = static_cast<std::uint32_t>(model.visits.size());
  const std::uint32_t goal = model.status == Status::Running ? model.goal * itinerary_.units_per_epoch() : done;
  return model.status == Status::Quarantined ? 0 : goal - model.version.value;
}

bool Ledger::owes_best(const Model& model) const {
  const bool is_due = model.best_epoch && !model.best_file && model.status != Status::Quarantined;
  return is_due && model.version == itinerary_.end_of(*model.best_epoch);
}

std::optional<StateFile> Ledger::owed_file(const Model& model) const {
  if (owes_best(model)) return StateFile::Best;
  const bool has_ended =
      model.status == Status::Finished || model.status == Status::Stopped || model.status == Status::Diverged;
  return has_ended && !model.file && !model.is_behind() ? std::optional(StateFile::Last) : std::nullopt;
}

ModelId Ledger::ancestor(const Model& model, Unit unit) const {
  const Model* of = &model;
  while (unit.value < of->inherited) of = &models_[of->parent->model.index()];
  return of->id;
}

bool Ledger::complete() const {
  return !tick_is_over() && std::all_of(models_.begin(), models_.end(),
                                        [&](const Model& m) { return m.status == Status::Quarantined || m.file; });
}

std::uint64_t Ledger::hops() const {
  std::uint64_t sum = 0;
  for (const Model& model : models_) sum += model.hops;
  return sum;
}

std::optional<ModelId> Ledger::best(const Objective& objective) const {
  std::optional<ModelId> best;
  double best_score = -std::numeric_limits<double>::infinity();
  for (const Model& model : models_) {
    if (dropped_out(model) || model.ranked() == nullptr) continue;
    const auto s = score(objective, *model.ranked());
    if (!s || *s <= best_score) continue;
    best = model.id;
    best_score = *s;
  }
  return best;
}

void Ledger::check(const record::Reserve& reserve) const {
  if (reserve.until <= reserved_) throw JournalError("[journal] expected attempts to be reserved upwards");
}

void Ledger::add(const record::Reserve& reserve) { reserved_ = reserve.until; }

void Ledger::check(const record::Commit& commit) const {
  const Model& model = known(commit.model);
  if (!may_train(model)) contradiction("no more units", "unit " + to_string(commit.unit), model.id);
  if (commit.unit != model.next_unit()) {
    contradiction("unit " + to_string(model.next_unit()), "unit " + to_string(commit.unit), model.id);
  }
  if (commit.parent != model.digest) contradiction("parent " + model.digest.hex(), commit.parent.hex(), model.id);
  const auto& due = model.candidates;
  // Runs from before there were groups have epochs of one worker.
  const bool may =
      !itinerary_.members(commit.partition).empty() || itinerary_.may_train(commit.worker, commit.partition);
  if (std::find(due.begin(), due.end(), commit.partition) == due.end() || commit.worker.index() >= itinerary_.workers ||
      !may) {
    contradiction(
        "a visit that is due",
        "partition " + std::to_string(commit.partition.value) + " on worker " + std::to_string(commit.worker.value),
        model.id);
  }
  if (model.is_behind() && commit.digest != model.visit(commit.unit).digest) {
    contradiction("unit " + to_string(commit.unit) + " to give " + model.visit(commit.unit).digest.hex() + " again",
                  commit.digest.hex(), model.id);
  }
  if (commit.attempt >= reserved_) contradiction("a reserved attempt", std::to_string(commit.attempt.value), model.id);
  check_arrivals(commit, itinerary_.passes(commit.partition).size());
}

void Ledger::add(const record::Commit& commit) {
  Model& model = at(commit.model);
  const bool again = model.is_behind();
  Visit visit{itinerary_.epoch(commit.unit), commit.partition, commit.worker, commit.attempt, commit.digest};
  visit.arrivals = commit.metrics.arrivals;

  if (model.holder && *model.holder != commit.worker) ++model.hops;
  model.version = after(commit.unit);
  model.digest = commit.digest;
  model.holder = commit.worker;
  model.stored_as.reset();
  count(commit.metrics);
  if (again) {  // its metrics are known, and the search has been told
    model.visits[commit.unit.index()] = visit;
    ++retrained_;
    refill_candidates(model);
    return;
  }
  model.visits.push_back(visit);
  measure(model, commit.metrics, itinerary_.ends_epoch(commit.unit));
  if (!std::isfinite(commit.metrics.train_loss)) {
    model.status = Status::Diverged;
  } else if (model.version.value == model.goal * itinerary_.units_per_epoch()) {
    model.status = Status::Finished;
  }
  const bool goes_on = model.status == Status::Running && !itinerary_.ends_epoch(commit.unit);
  if (goes_on && itinerary_.order == Order::Free) {
    std::erase(model.candidates, commit.partition);  // the other partitions are still owed
  } else {
    refill_candidates(model);
  }
  if (!goes_on) await(model);
}

void Ledger::check(const record::Rollback& rollback) const {
  const Model& model = known(rollback.model);
  if (model.status == Status::Quarantined) {
    contradiction("a rollback of a model that is not set aside", to_string(model.status), model.id);
  }
  if (model.file && !is_initial(rollback.version)) {
    contradiction("version 0, as the file of the model is lost", to_string(rollback.version), model.id);
  }
  if (rollback.version >= model.version) {
    contradiction("a version below " + to_string(model.version), to_string(rollback.version), model.id);
  }
  if (rollback.worker.has_value() == is_initial(rollback.version)) {
    contradiction("the place of a version that was trained", rollback.worker ? "one of version 0" : "none", model.id);
  }
  if (rollback.worker && rollback.worker->index() >= itinerary_.workers) {
    contradiction("one of " + std::to_string(itinerary_.workers) + " workers",
                  "worker " + std::to_string(rollback.worker->value), model.id);
  }
}

void Ledger::add(const record::Rollback& rollback) {
  Model& model = at(rollback.model);
  model.version = rollback.version;
  model.holder = rollback.worker;
  model.digest = {};
  model.stored_as.reset();
  model.file.reset();
  if (is_initial(rollback.version)) {
    model.best_file.reset();  // that file may be the lost one; the model comes by its best epoch again
  } else {
    Visit& last = model.visits[before(rollback.version).index()];
    last.attempt = rollback.attempt;
    model.digest = last.digest;
  }
  refill_candidates(model);
}

void Ledger::check(const record::Moved& moved) const {
  const Model& model = known(moved.model);
  if (model.status == Status::Quarantined || model.file) {
    contradiction("a move of a model that trains or is not collected", to_string(model.status), model.id);
  }
  if (moved.version != model.version || is_initial(moved.version)) {
    contradiction("a move of version " + to_string(model.version) + ", which was trained", to_string(moved.version),
                  model.id);
  }
  if (moved.worker.index() >= itinerary_.workers) {
    contradiction("one of " + std::to_string(itinerary_.workers) + " workers",
                  "worker " + std::to_string(moved.worker.value), model.id);
  }
  if (moved.attempt >= reserved_) contradiction("a reserved attempt", std::to_string(moved.attempt.value), model.id);
}

void Ledger::add(const record::Moved& moved) {
  Model& model = at(moved.model);
  model.holder = moved.worker;
  model.stored_as.reset();  // a clone's copy lies in its own name
  model.visits[before(moved.version).index()].attempt = moved.attempt;
}

void Ledger::check(const record::Quarantine& quarantine) const {
  const Model& model = known(quarantine.model);
  if (model.file || model.status == Status::Quarantined) {
    contradiction("a quarantine of a model that trains or is not collected", to_string(model.status), model.id);
  }
}

void Ledger::add(const record::Quarantine& quarantine) {
  Model& model = at(quarantine.model);
  model.before_quarantine = model.status;
  model.status = Status::Quarantined;
  model.reason = quarantine.reason;
  refill_candidates(model);
  await(model);
}

void Ledger::check(const record::Retry& retry) const {
  const Model& model = known(retry.model);
  if (model.status != Status::Quarantined) {
    contradiction("a retry of a quarantined model", to_string(model.status), model.id);
  }
}

// If the search was told that the model dropped out, the model joins the tick in progress, and the search is told about
// its epochs again.
void Ledger::add(const record::Retry& retry) {
  Model& model = at(retry.model);
  model.status = model.before_quarantine;
  model.reason.clear();
  if (model.is_withdrawn && model.status == Status::Running) {
    model.is_withdrawn = false;
    model.born = tick_ - epochs_done(model);
  }
  refill_candidates(model);
  await(model);
}

void Ledger::check(const record::Collected& collected) const {
  const Model& model = known(collected.model);
  if (!owed_file(model)) contradiction("a state that is to be collected", to_string(model.status), model.id);
}

void Ledger::add(const record::Collected& collected) {
  Model& model = at(collected.model);
  (owed_file(model) == StateFile::Best ? model.best_file : model.file) = collected;
}

void Ledger::check(const record::Arithmetic& arithmetic) const {
  const WorkerId worker = arithmetic.worker;
  if (worker.index() >= arithmetic_.size()) {
    throw JournalError("[journal] expected one of " + std::to_string(arithmetic_.size()) + " workers, got worker " +
                       std::to_string(worker.value));
  }
}

void Ledger::add(const record::Arithmetic& arithmetic) {
  const WorkerId worker = arithmetic.worker;
  std::string& text = arithmetic_[worker.index()];
  if (!text.empty() && text != arithmetic.text) arithmetic_changes_.push_back({worker, text, arithmetic.text});
  text = arithmetic.text;
}

// The costs of a unit count each time that it is done; its results count once.
void Ledger::count(const UnitMetrics& metrics) {
  received_bytes_ += metrics.received_bytes;
  shared_bytes_ += metrics.shared_bytes.value_or(0);
  exchange_bytes_ += metrics.exchange_bytes.value_or(0);
  statistics_bytes_ += metrics.statistics_bytes.value_or(0);
  data_bytes_ += metrics.data_bytes.value_or(0);
  data_seconds_ += metrics.data_seconds.value_or(0);
  peak_rss_bytes_ = std::max(peak_rss_bytes_, metrics.peak_rss_bytes);
  gaps_.push_back(metrics.gap_seconds);
  idle_.push_back(metrics.idle_seconds);
}

void Ledger::measure(Model& model, const UnitMetrics& metrics, bool ends_epoch) {
  model.seconds += metrics.seconds;
  model.state_bytes = metrics.state_bytes;
  if (!std::isfinite(metrics.train_loss)) return;

  EpochMetrics& epoch = model.partial;
  add_rows(epoch, metrics);
  epoch.seconds += metrics.seconds;
  epoch.valid_loss = metrics.valid_loss;
  epoch.valid_accuracy = metrics.valid_accuracy;
  epoch.own = metrics.own;
  epoch.shared_bytes += metrics.shared_bytes.value_or(0);
  epoch.statistics_bytes += metrics.statistics_bytes.value_or(0);
  epoch.statistics_rounds += metrics.statistics_rounds.value_or(0);
  if (!ends_epoch) return;
  model.epochs.push_back(epoch);
  model.partial = {};
  if (itinerary_.keep_best) compare_with_best(model);
}

// The states of a clone's inherited epochs are its ancestors' to keep.
void Ledger::compare_with_best(Model& model) const {
  const std::optional<double> now = score(*itinerary_.keep_best, model.epochs.back());
  if (!now) return;
  if (model.best_epoch && *now <= *score(*itinerary_.keep_best, *model.ranked())) return;
  model.best_epoch = Epoch{epochs_done(model) - 1};
  model.best_file.reset();
}

void Ledger::refill_candidates(Model& model) const {
  model.candidates.clear();
  if (model.status == Status::Quarantined) return;
  if (model.is_behind()) {
    model.candidates = {model.visit(model.next_unit()).partition};  // in both orders it is the same unit again
  } else if (model.status == Status::Running && itinerary_.order == Order::Fixed) {
    model.candidates = {itinerary_.partition(model.id, model.next_unit())};
  } else if (model.status == Status::Running) {
    model.candidates = itinerary_.choices();
    const Unit next = model.next_unit();
    for (Unit unit = itinerary_.first_unit(itinerary_.epoch(next)); unit < next; ++unit) {
      std::erase(model.candidates, model.visit(unit).partition);
    }
  }
}

}  // namespace hop::hopper
