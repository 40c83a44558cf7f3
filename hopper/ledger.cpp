// Long because it has every rule by which a record changes what is known.
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

bool dropped_out(const Model& model) { return model.status == Status::Diverged || model.status == Status::Quarantined; }

std::uint32_t epochs_done(const Model& model) { return static_cast<std::uint32_t>(model.epochs.size()); }

}  // namespace

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
  if (model.is_behind()) return model.status != Status::Quarantined;
  return model.status == Status::Running;
}

std::uint32_t Ledger::units_left(const Model& model) const {
  const auto done = static_cast<std::uint32_t>(model.visits.size());
  const std::uint32_t goal = model.status == Status::Running ? model.goal * itinerary_.partitions : done;
  return model.status == Status::Quarantined ? 0 : goal - model.version.value;
}

bool Ledger::owes_collection(const Model& model) const {
  const bool has_ended =
      model.status == Status::Finished || model.status == Status::Stopped || model.status == Status::Diverged;
  return has_ended && !model.file && !model.is_behind();
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
  if (!may_train(model)) contradiction("no more units", "unit " + to_string(commit.unit), model.id);
  if (commit.unit != model.next_unit()) {
    contradiction("unit " + to_string(model.next_unit()), "unit " + to_string(commit.unit), model.id);
  }
  if (commit.parent != model.digest) contradiction("parent " + model.digest.hex(), commit.parent.hex(), model.id);
  const auto& due = model.candidates;
  if (std::find(due.begin(), due.end(), commit.partition) == due.end() ||
      itinerary_.owner(commit.partition) != commit.worker) {
    contradiction(
        "a visit that is due",
        "partition " + std::to_string(commit.partition.value) + " on worker " + std::to_string(commit.worker.value),
        model.id);
  }
  if (model.is_behind() && commit.digest != model.visit(commit.unit).digest) {
    contradiction("unit " + to_string(commit.unit) + " to give " + model.visit(commit.unit).digest.hex() + " again",
                  commit.digest.hex(), model.id);
  }
  if (commit.attempt >= reserved_) {
    contradiction("a reserved attempt", std::to_string(commit.attempt.value), model.id);
  }
}

void Ledger::add(const record::Commit& commit) {
  Model& model = at(commit.model);
  const bool again = model.is_behind();
  const Visit visit{itinerary_.epoch(commit.unit), commit.partition, commit.worker, commit.attempt, commit.digest};

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
  } else if (model.version.value == model.goal * itinerary_.partitions) {
    model.status = Status::Finished;
  }
  const bool goes_on = model.status == Status::Running && !itinerary_.ends_epoch(commit.unit);
  if (goes_on && itinerary_.order == Order::Free) {
    std::erase(model.candidates, commit.partition);  // all others are still owed
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
  if (!is_initial(rollback.version)) {
    Visit& last = model.visits[before(rollback.version).index()];
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
    model.candidates = {model.visit(model.next_unit()).partition};  // in both orders it visits the same partition again
  } else if (model.status == Status::Running && itinerary_.order == Order::Fixed) {
    model.candidates = {itinerary_.partition(model.id, model.next_unit())};
  } else if (model.status == Status::Running) {
    for (std::uint32_t q = 0; q < itinerary_.partitions; ++q) model.candidates.emplace_back(q);
    const Unit next = model.next_unit();
    for (Unit unit = itinerary_.first_unit(itinerary_.epoch(next)); unit < next; ++unit) {
      std::erase(model.candidates, model.visit(unit).partition);
    }
  }
}

// ---- ticks

bool Ledger::is_awaited(const Model& model) const {
  return model.status == Status::Running && model.born + epochs_done(model) <= tick_;
}

void Ledger::await(const Model& model) {
  if (is_awaited(model)) {
    awaited_.insert(model.id);
    has_members_ = true;
  } else {
    awaited_.erase(model.id);
  }
}

News Ledger::news(const Model& model) const {
  if (tick_ >= model.born && tick_ - model.born < epochs_done(model)) return News::Epoch;
  const Status status = model.underlying();
  const bool has_trained_on = status == Status::Running || status == Status::Diverged;
  const bool leaves = dropped_out(model) && has_trained_on && !model.is_withdrawn;
  return leaves && model.born + epochs_done(model) <= tick_ ? News::Withdrawn : News::None;
}

std::span<const Ledger::Decision> Ledger::decisions_of(const record::Ticked& ticked) const {
  return std::span(undecided_).last(ticked.decisions);
}

void Ledger::check(const record::Ticked& ticked) const {
  const auto refuse = [](const std::string& expected, const std::string& got) {
    throw JournalError("[journal] expected " + expected + ", got " + got);
  };
  if (ticked.tick != tick_) refuse("tick " + std::to_string(tick_), "tick " + std::to_string(ticked.tick));
  if (!tick_is_over()) refuse("models to end the tick", "the end of tick " + std::to_string(tick_));
  if (ticked.decisions > undecided_.size()) {
    refuse(std::to_string(ticked.decisions) + " decisions", std::to_string(undecided_.size()));
  }
  std::size_t models = models_.size();
  std::set<ModelId> ordered;
  for (const Decision& decision : decisions_of(ticked)) {
    if (const auto* order = std::get_if<record::Ordered>(&decision)) {
      check_decision(*order);
      if (!ordered.insert(order->model).second) contradiction("one order in a tick", "another one", order->model);
    } else {
      check_decision(std::get<record::Asked>(decision), models++);
    }
  }
}

void Ledger::check_decision(const record::Asked& asked, std::size_t models) const {
  const auto refuse = [&](const std::string& expected, const std::string& got) {
    contradiction(expected, got, asked.model);
  };
  if (asked.model.index() != models) refuse("model " + std::to_string(models), name(asked.model));
  if (asked.epochs < 1 || asked.epochs > itinerary_.epochs) {
    refuse("1 to " + std::to_string(itinerary_.epochs) + " epochs", std::to_string(asked.epochs));
  }
  if (asked.place && (!asked.parent || asked.place->worker.index() >= itinerary_.workers)) {
    refuse("the place of a parent's state", "worker " + std::to_string(asked.place->worker.value));
  }
  if (!asked.parent) return;
  const Model& parent = known(asked.parent->model);
  const bool is_over =
      asked.parent->epoch.index() < parent.epochs.size() && parent.born + asked.parent->epoch.value <= tick_;
  if (!is_over || number_of(asked.parent->epoch) >= asked.epochs) {
    refuse("an epoch that its parent has ended, and one of its own",
           "epoch " + to_string(asked.parent->epoch) + " of " + name(parent.id));
  }
}

void Ledger::check_decision(const record::Ordered& order) const {
  using Kind = SearchOrder::Kind;
  const Model& model = known(order.model);
  const Status status = model.underlying();
  const bool is_paused = status == Status::Paused;
  const bool waits = status == Status::Running && model.born + epochs_done(model) == tick_ + 1 &&
                     model.visits.size() == model.epochs.size() * itinerary_.partitions;
  const bool fits = order.kind == Kind::Resume ? is_paused : order.kind == Kind::Pause ? waits : is_paused || waits;
  if (!fits) contradiction("a model that the order is for", to_string(status), model.id);
  if (order.kind != Kind::SetEpochs) return;
  if (order.epochs < model.epochs.size() || order.epochs > itinerary_.epochs) {
    contradiction(std::to_string(model.epochs.size()) + " to " + std::to_string(itinerary_.epochs) + " epochs",
                  std::to_string(order.epochs), model.id);
  }
}

void Ledger::add(const record::Ticked& ticked) {
  for (Model& model : models_) model.is_withdrawn = model.is_withdrawn || news(model) == News::Withdrawn;
  const std::vector<Decision> all = std::move(undecided_);
  undecided_.clear();
  for (std::size_t i = all.size() - ticked.decisions; i < all.size(); ++i) {
    std::visit([this](const auto& decision) { carry_out(decision); }, all[i]);
  }
  ++tick_;
  begin_tick();
}

// A clone joins the next tick with the epochs and visits of its parent, so that its epochs and units count on from
// there.
void Ledger::carry_out(const record::Asked& asked) {
  Model model;
  model.id = asked.model;
  model.config = asked.config;
  model.goal = asked.epochs;
  model.parent = asked.parent;
  if (asked.parent) {
    const Model& parent = models_[asked.parent->model.index()];
    const Version start = itinerary_.end_of(asked.parent->epoch);
    model.inherited = start.value;
    model.epochs.assign(parent.epochs.begin(), parent.epochs.begin() + number_of(asked.parent->epoch));
    model.visits.assign(parent.visits.begin(), parent.visits.begin() + model.inherited);
    if (asked.place) {
      model.version = start;
      model.digest = model.visits.back().digest;
      model.visits.back().attempt = asked.place->attempt;
      model.holder = asked.place->worker;
      const bool is_lent_on = parent.stored_as && parent.version == start;
      model.stored_as = is_lent_on ? parent.stored_as : parent.id;
    }
  }
  model.born = tick_ + 1 - epochs_done(model);
  refill_candidates(model);
  models_.push_back(std::move(model));
}

void Ledger::carry_out(const record::Ordered& order) {
  Model& model = at(order.model);
  Status& status = model.status == Status::Quarantined ? model.before_quarantine : model.status;
  switch (order.kind) {
    case SearchOrder::Kind::Stop:
      status = Status::Stopped;
      break;
    case SearchOrder::Kind::Pause:
      status = Status::Paused;
      break;
    case SearchOrder::Kind::Resume:
      status = Status::Running;
      model.born = tick_ + 1 - epochs_done(model);
      break;
    case SearchOrder::Kind::SetEpochs:
      model.goal = order.epochs;
      if (model.visits.size() == std::size_t{model.goal} * itinerary_.partitions) status = Status::Finished;
      break;
  }
  if (model.status != Status::Quarantined) model.reason = order.reason;
  refill_candidates(model);
}

// Where nobody takes part in the new tick, no tick will end any more: paused models would wait for ever.
void Ledger::begin_tick() {
  awaited_.clear();
  has_members_ = false;
  for (const Model& model : models_) {
    await(model);
    has_members_ = has_members_ || news(model) != News::None;
  }
  if (has_members_) return;
  for (Model& model : models_) {
    if (model.underlying() != Status::Paused) continue;
    (model.status == Status::Quarantined ? model.before_quarantine : model.status) = Status::Stopped;
    refill_candidates(model);
  }
}

}  // namespace hop::hopper
