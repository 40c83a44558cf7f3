#include "hopper/ledger.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace hop::hopper {
namespace {

std::string name(ModelId id) { return "model " + std::to_string(id.value); }

[[noreturn]] void contradiction(const std::string& expected, const std::string& got, ModelId id) {
  throw JournalError("[journal] expected " + expected + ", got " + got + " (" + name(id) + ")");
}

// Diverged and quarantined models have dropped out of the search, which is told once.
bool dropped_out(const Model& model) { return model.status == Status::Diverged || model.status == Status::Quarantined; }

std::uint32_t tells_due(const Model& model) {
  return static_cast<std::uint32_t>(model.epochs.size()) + (dropped_out(model) ? 1 : 0);
}

}  // namespace

std::string to_string(Status status) {
  static constexpr const char* kNames[] = {"running", "finished", "stopped", "diverged", "quarantined"};
  return kNames[static_cast<std::size_t>(status)];
}

Ledger::Ledger(Plan plan, std::unique_ptr<Search> search) : plan_(plan), search_(std::move(search)) {
  plan_.check();
  arithmetic_.resize(plan_.workers);
  ask_for_models();
  if (models_.empty()) throw ConfigError("[search] expected at least one configuration, got none");
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
  if (model.is_behind()) return model.status != Status::Quarantined;
  return model.status == Status::Running && (!search_->stops_early() || model.told == model.epochs.size());
}

std::uint32_t Ledger::units_left(const Model& model) const {
  const auto done = static_cast<std::uint32_t>(model.visits.size());
  const std::uint32_t goal = model.status == Status::Running ? plan_.units() : done;
  return model.status == Status::Quarantined ? 0 : goal - model.version;
}

bool Ledger::owes_collection(const Model& model) const {
  return model.status != Status::Running && model.status != Status::Quarantined && !model.file && !model.is_behind();
}

bool Ledger::complete() const {
  return std::all_of(models_.begin(), models_.end(),
                     [&](const Model& m) { return m.status == Status::Quarantined || m.file; });
}

std::uint64_t Ledger::hops() const {
  std::uint64_t sum = 0;
  for (const Model& model : models_) sum += model.hops;
  return sum;
}

std::optional<ModelId> Ledger::best(Objective objective) const {
  std::optional<ModelId> best;
  double best_score = -std::numeric_limits<double>::infinity();
  for (const Model& model : models_) {
    if (dropped_out(model) || model.epochs.empty()) continue;
    const auto s = score(objective, model.epochs.back());
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
  if (!may_train(model)) contradiction("no more units", "unit " + std::to_string(commit.unit), model.id);
  if (commit.unit != model.version) {
    contradiction("unit " + std::to_string(model.version), "unit " + std::to_string(commit.unit), model.id);
  }
  if (commit.parent != model.digest) contradiction("parent " + model.digest.hex(), commit.parent.hex(), model.id);
  const auto& due = model.candidates;
  if (std::find(due.begin(), due.end(), commit.partition) == due.end() ||
      plan_.owner(commit.partition) != commit.worker) {
    contradiction(
        "a visit that is due",
        "partition " + std::to_string(commit.partition.value) + " on worker " + std::to_string(commit.worker.value),
        model.id);
  }
  if (model.is_behind() && commit.digest != model.visits[commit.unit].digest) {
    contradiction(
        "unit " + std::to_string(commit.unit) + " to give " + model.visits[commit.unit].digest.hex() + " again",
        commit.digest.hex(), model.id);
  }
  if (commit.attempt >= reserved_) {
    contradiction("a reserved attempt", std::to_string(commit.attempt.value), model.id);
  }
  if (commit.unit == 0 && commit.config != model.config.to_text()) {
    contradiction("configuration `" + model.config.to_text() + "`", "`" + commit.config + "`", model.id);
  }
}

void Ledger::add(const record::Commit& commit) {
  Model& model = at(commit.model);
  const bool again = model.is_behind();
  const Visit visit{plan_.epoch(commit.unit), commit.partition, commit.worker, commit.attempt, commit.digest};

  if (model.holder && *model.holder != commit.worker) ++model.hops;
  model.version = commit.unit + 1;
  model.digest = commit.digest;
  model.holder = commit.worker;
  count(commit.metrics);
  if (again) {  // its metrics are known, and the search has been told
    model.visits[commit.unit] = visit;
    ++retrained_;
    refill_candidates(model);
    return;
  }
  model.visits.push_back(visit);
  measure(model, commit.metrics, plan_.ends_epoch(commit.unit));
  if (!std::isfinite(commit.metrics.train_loss)) {
    model.status = Status::Diverged;
  } else if (model.version == plan_.units()) {
    model.status = Status::Finished;
  }
  const bool goes_on = model.status == Status::Running && !plan_.ends_epoch(commit.unit);
  if (goes_on && plan_.order == Order::Free) {
    std::erase(model.candidates, commit.partition);  // all others are still owed
  } else {
    refill_candidates(model);
  }
  if (!goes_on) tell_search();
}

void Ledger::check(const record::Rollback& rollback) const {
  const Model& model = known(rollback.model);
  if (model.status == Status::Quarantined) {
    contradiction("a rollback of a model that is not set aside", to_string(model.status), model.id);
  }
  if (model.file && rollback.version > 0) {
    contradiction("version 0, as the file of the model is lost", std::to_string(rollback.version), model.id);
  }
  if (rollback.version >= model.version) {
    contradiction("a version below " + std::to_string(model.version), std::to_string(rollback.version), model.id);
  }
  if (rollback.worker.has_value() != (rollback.version > 0)) {
    contradiction("the place of a version that was trained", rollback.worker ? "one of version 0" : "none", model.id);
  }
  if (rollback.worker && rollback.worker->index() >= plan_.workers) {
    contradiction("one of " + std::to_string(plan_.workers) + " workers",
                  "worker " + std::to_string(rollback.worker->value), model.id);
  }
}

void Ledger::add(const record::Rollback& rollback) {
  Model& model = at(rollback.model);
  model.version = rollback.version;
  model.holder = rollback.worker;
  model.digest = {};
  model.file.reset();
  if (rollback.version > 0) {
    Visit& last = model.visits[rollback.version - 1];
    last.attempt = rollback.attempt;
    model.digest = last.digest;
  }
  refill_candidates(model);
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
  tell_search();
}

void Ledger::check(const record::Retry& retry) const {
  const Model& model = known(retry.model);
  if (model.status != Status::Quarantined) {
    contradiction("a retry of a quarantined model", to_string(model.status), model.id);
  }
}

// The search was told that the model dropped out, unless the model had ended before. From here on the search is told
// about its epochs again.
void Ledger::add(const record::Retry& retry) {
  Model& model = at(retry.model);
  model.status = model.before_quarantine;
  model.reason.clear();
  model.told = std::min(model.told, tells_due(model));
  refill_candidates(model);
}

void Ledger::check(const record::Collected& collected) const {
  const Model& model = known(collected.model);
  if (!owes_collection(model)) contradiction("one final state of an ended model", to_string(model.status), model.id);
}

void Ledger::add(const record::Collected& collected) { at(collected.model).file = collected; }

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
  peak_rss_bytes_ = std::max(peak_rss_bytes_, metrics.peak_rss_bytes);
  gaps_.push_back(metrics.gap_seconds);
  idle_.push_back(metrics.idle_seconds);
}

void Ledger::measure(Model& model, const UnitMetrics& metrics, bool ends_epoch) {
  model.seconds += metrics.seconds;
  model.state_bytes = metrics.state_bytes;
  if (!std::isfinite(metrics.train_loss)) return;

  EpochMetrics& epoch = model.partial;
  const auto rows = static_cast<double>(epoch.rows);
  const auto more = static_cast<double>(metrics.rows);
  if (rows + more > 0) epoch.train_loss = (epoch.train_loss * rows + metrics.train_loss * more) / (rows + more);
  epoch.rows += metrics.rows;
  epoch.seconds += metrics.seconds;
  epoch.valid_loss = metrics.valid_loss;
  epoch.valid_accuracy = metrics.valid_accuracy;
  epoch.own = metrics.own;
  if (!ends_epoch) return;
  model.epochs.push_back(epoch);
  model.partial = {};
}

void Ledger::refill_candidates(Model& model) const {
  model.candidates.clear();
  if (model.status == Status::Quarantined) return;
  if (model.is_behind()) {
    model.candidates = {model.visits[model.version].partition};  // in both orders it visits the same partition again
  } else if (model.status == Status::Running && plan_.order == Order::Fixed) {
    model.candidates = {plan_.partition(model.id, model.version)};
  } else if (model.status == Status::Running) {
    const std::uint32_t epoch_begins = model.version - model.version % plan_.partitions;
    for (std::uint32_t q = 0; q < plan_.partitions; ++q) model.candidates.emplace_back(q);
    for (std::uint32_t u = epoch_begins; u < model.version; ++u) {
      std::erase(model.candidates, model.visits[u].partition);
    }
  }
}

void Ledger::ask_for_models() {
  while (auto config = search_->ask()) {
    Model model;
    model.id = ModelId{static_cast<std::uint32_t>(models_.size())};
    model.config = *std::move(config);
    refill_candidates(model);
    models_.push_back(std::move(model));
  }
}

// Careful: asking may add models, which moves all models in memory.
void Ledger::tell_search() {
  while (Model* model = next_to_tell()) {
    const std::uint32_t epoch = model->told++;
    const bool dropped = epoch == model->epochs.size();
    EpochMetrics worst;
    worst.train_loss = std::numeric_limits<double>::infinity();
    if (search_->stops_early()) ++decisions_;
    const Decision decision = search_->tell(model->id, epoch, dropped ? worst : model->epochs[epoch]);
    if (decision == Decision::Stop && search_->stops_early() && model->status == Status::Running) {
      model->status = Status::Stopped;
      refill_candidates(*model);
    }
    ask_for_models();
  }
}

// In `fixed` order the search is told by (epoch, model), so that its answers do not depend on timing. The next model is
// that of the smallest pair still to come. If its epoch is not over, all others wait.
Model* Ledger::next_to_tell() {
  Model* next = nullptr;
  for (Model& model : models_) {
    const bool tellable = model.told < tells_due(model);
    const bool more_to_come = tellable || model.status == Status::Running;
    if (plan_.order == Order::Free ? tellable : more_to_come) {
      if (next == nullptr || model.told < next->told) next = &model;
    }
  }
  return next != nullptr && next->told < tells_due(*next) ? next : nullptr;
}

}  // namespace hop::hopper
