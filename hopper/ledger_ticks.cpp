// Ticks, and the decisions of the search at their ends: models are born, cloned, paused and stopped.
#include <set>
#include <utility>

#include "hopper/ledger.h"
#include "hopper/ledger_internal.h"

namespace hop::hopper {

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
                     model.visits.size() == model.epochs.size() * itinerary_.units_per_epoch();
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
      model.state_bytes = parent.state_bytes;
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
      if (model.visits.size() == std::size_t{model.goal} * itinerary_.units_per_epoch()) status = Status::Finished;
      break;
  }
  if (model.status != Status::Quarantined) model.reason = order.reason;
  refill_candidates(model);
}

void Ledger::check(const record::Extended& extended) const {
  if (extended.epochs >= 1 && extended.epochs <= itinerary_.epochs) return;
  throw JournalError("[journal] expected 1 to " + std::to_string(itinerary_.epochs) + " epochs, got " +
                     std::to_string(extended.epochs));
}

// A model that had finished joins the tick in progress, unless the search has yet to hear of its last epoch.
void Ledger::add(const record::Extended& extended) {
  for (Model& model : models_) {
    if (model.goal >= extended.epochs) continue;
    model.goal = extended.epochs;
    Status& status = model.status == Status::Quarantined ? model.before_quarantine : model.status;
    if (status != Status::Finished) continue;
    status = Status::Running;
    if (model.file) {
      model.earlier_file = std::exchange(model.file, std::nullopt);
      model.earlier_epochs = epochs_done(model);
    }
    if (model.born + epochs_done(model) < tick_) model.born = tick_ - epochs_done(model);
    refill_candidates(model);
    await(model);
  }
}

// If no model takes part in the new tick, no tick will ever end, and paused models would wait for ever: they are
// stopped.
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
