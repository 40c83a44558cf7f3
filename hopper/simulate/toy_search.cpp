#include "hopper/simulate/toy_search.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "base/hash.h"
#include "hopper/search/methods.h"
#include "hopper/simulate/checker.h"

namespace hop::hopper::simulate {
namespace {

Proposal toy_proposal(std::uint32_t index) { return {{{"index", std::int64_t{index}}}}; }

bool coin(const Scenario& s, const char* name, std::initializer_list<std::uint64_t> of, std::uint64_t sides) {
  return hash64(s.seed, name, of) % sides == 0;
}

class AllAtOnce : public Search {
 public:
  explicit AllAtOnce(std::uint32_t models) : models_(models) {}
  std::optional<Proposal> ask() override {
    return next_ < models_ ? std::optional(toy_proposal(next_++)) : std::nullopt;
  }

 protected:
  std::uint32_t models_, next_ = 0;
};

// Hands out half of its models at the start and one more with every tell, and stops models by coins.
class Coins final : public Search {
 public:
  explicit Coins(const Scenario& scenario) : scenario_(scenario), allowed_((scenario.models + 1) / 2) {}
  std::optional<Proposal> ask() override {
    if (next_ >= std::min(allowed_, scenario_.models)) return std::nullopt;
    return toy_proposal(next_++);
  }
  void tell(ModelId model, Epoch epoch, const EpochMetrics&) override {
    ++allowed_;
    const bool is_last = number_of(epoch) == scenario_.itinerary.epochs;
    if (!is_last && coin(scenario_, "stop", {model.value, epoch.value}, 3))
      orders_.push_back(SearchOrder::stop(model, "tails"));
  }
  void withdrawn(ModelId, Withdrawal) override { ++allowed_; }
  std::vector<SearchOrder> end_of_tick() override { return std::exchange(orders_, {}); }
  bool barrier_at(Epoch) const override { return true; }

 private:
  const Scenario& scenario_;
  std::uint32_t allowed_, next_ = 0;
  std::vector<SearchOrder> orders_;
};

// Stops, pauses, resumes, shortens and clones models by coins. Some epochs have no barrier. Models get no orders there,
// but may be cloned, and the state for the clone may be gone.
class Evolving final : public AllAtOnce {
 public:
  explicit Evolving(const Scenario& scenario) : AllAtOnce(scenario.models), scenario_(scenario) {}
  std::optional<Proposal> ask() override {
    if (auto first = AllAtOnce::ask()) return first;
    return std::exchange(clone_, std::nullopt);
  }
  void asked(ModelId model, const Proposal& proposal) override {
    goals_[model] = proposal.epochs;
    if (proposal.parent) ++clones_;
  }
  void tell(ModelId model, Epoch epoch, const EpochMetrics&) override {
    if (number_of(epoch) < goals_[model]) told_.emplace_back(model, epoch);
  }
  std::vector<SearchOrder> end_of_tick() override {
    ++tick_;
    orders_.clear();
    for (const ModelId model : std::exchange(paused_, {})) {
      if (coin(scenario_, "resume", {tick_, model.value}, 2)) {
        orders_.push_back(SearchOrder::resume(model, "heads"));
      } else {
        paused_.push_back(model);
      }
    }
    for (const auto& [model, epoch] : std::exchange(told_, {})) act(model, epoch);
    return orders_;
  }
  bool barrier_at(Epoch epoch) const override { return !coin(scenario_, "barrier", {epoch.value}, 4); }

 private:
  void act(ModelId model, Epoch epoch) {
    const std::uint64_t side = hash64(scenario_.seed, "act", {tick_, model.value}) % 8;
    const bool may_clone = clones_ < scenario_.most_clones && !clone_ && number_of(epoch) < scenario_.itinerary.epochs;
    if (side < 3 && may_clone) clone_ = {{{"index", std::int64_t{100} + tick_}}, Parent{model, epoch}, 0};
    if (!barrier_at(epoch)) return;
    if (side == 2 || side == 3) orders_.push_back(SearchOrder::stop(model, "replaced"));
    if (side == 4) {
      orders_.push_back(SearchOrder::pause(model, "rests"));
      paused_.push_back(model);
    }
    if (side == 5) {
      goals_[model] =
          number_of(epoch) + static_cast<std::uint32_t>(hash64(scenario_.seed, "goal", {tick_, model.value}) % 2);
      orders_.push_back(SearchOrder::set_epochs(model, goals_[model], "shorter"));
    }
  }

  const Scenario& scenario_;
  std::uint32_t tick_ = 0, clones_ = 0;
  std::map<ModelId, std::uint32_t> goals_;
  std::vector<std::pair<ModelId, Epoch>> told_;
  std::vector<ModelId> paused_;
  std::vector<SearchOrder> orders_;
  std::optional<Proposal> clone_;
};

std::unique_ptr<Search> make_halving(const Scenario& s) {
  static const Space kSpace{{"index", Range{0, 1000, Scale::Linear, NumberType::Int}}};
  const Config settings{{"samples", std::int64_t{s.models}}, {"eta", std::int64_t{2}}};
  return find_method("halving").make({kSpace, s.itinerary.epochs, Objective::ValidAccuracy, s.seed, settings});
}

// ---- the calm run ---------------------------------------------------------------------------------------------------

class Log final : public Search {
 public:
  Log(std::unique_ptr<Search> search, std::function<void(std::string)> hear)
      : search_(std::move(search)), hear_(std::move(hear)) {}
  std::optional<Proposal> ask() override { return search_->ask(); }
  void asked(ModelId model, const Proposal& proposal) override {
    hear_("asked " + std::to_string(model.value) + " " + proposal.config.to_text());
    search_->asked(model, proposal);
  }
  void tell(ModelId model, Epoch epoch, const EpochMetrics& metrics) override {
    hear_("told " + std::to_string(model.value) + " epoch " + to_string(epoch));
    search_->tell(model, epoch, metrics);
  }
  void withdrawn(ModelId model, Withdrawal why) override {
    hear_("withdrawn " + std::to_string(model.value));
    search_->withdrawn(model, why);
  }
  std::vector<SearchOrder> end_of_tick() override {
    hear_("tick");
    return search_->end_of_tick();
  }
  bool barrier_at(Epoch epoch) const override { return search_->barrier_at(epoch); }

 private:
  std::unique_ptr<Search> search_;
  std::function<void(std::string)> hear_;
};

class Calm {
 public:
  explicit Calm(const Scenario& scenario)
      : s_(scenario),
        units_per_epoch_(units_per_epoch(scenario)),
        search_(make_search(scenario), [this](std::string call) { run_.calls.push_back(std::move(call)); }) {}

  CalmRun run() {
    ask();
    while (train()) {
      for (const SearchOrder& order : search_.end_of_tick()) obey(order);
      ask();
    }
    for (Fate& fate : run_.fates) {
      if (fate.status == Status::Paused) fate.status = Status::Stopped;
    }
    return std::move(run_);
  }

 private:
  void ask() {
    while (std::optional<Proposal> proposal = search_.ask()) {
      Fate fate;
      fate.parent = proposal->parent;
      if (fate.parent) fate.units = fate.inherited = number_of(fate.parent->epoch) * units_per_epoch_;
      if (proposal->epochs == 0) proposal->epochs = s_.itinerary.epochs;
      search_.asked(ModelId{static_cast<std::uint32_t>(run_.fates.size())}, *proposal);
      run_.fates.push_back(fate);
      goals_.push_back(proposal->epochs);
    }
  }

  // Trains all living models for one epoch. False if there is none.
  bool train() {
    bool any = false;
    for (std::uint32_t m = 0; m < run_.fates.size(); ++m) {
      Fate& fate = run_.fates[m];
      if (fate.status != Status::Running) continue;
      any = true;
      const Epoch epoch{fate.units / units_per_epoch_};
      for (std::uint32_t i = 0; i < units_per_epoch_ && fate.status == Status::Running; ++i) train(ModelId{m}, fate);
      if (fate.status != Status::Running) {
        search_.withdrawn(ModelId{m}, Withdrawal::Diverged);
        continue;
      }
      EpochMetrics metrics;
      metrics.valid_accuracy = toy_accuracy(s_, ModelId{m}, epoch);
      search_.tell(ModelId{m}, epoch, metrics);
      if (number_of(epoch) == goals_[m]) fate.status = Status::Finished;
    }
    return any;
  }

  void train(ModelId model, Fate& fate) const {
    const bool is_bad = Unit{fate.units} == s_.bad_unit;
    if (is_bad && s_.poison == model && !s_.cured) {
      fate.status = Status::Quarantined;
      return;
    }
    ++fate.units;
    if (is_bad && s_.divergent == model) fate.status = Status::Diverged;
  }

  void obey(const SearchOrder& order) {
    Fate& fate = run_.fates[order.model.index()];
    switch (order.kind) {
      case SearchOrder::Kind::Stop:
        fate.status = Status::Stopped;
        break;
      case SearchOrder::Kind::Pause:
        fate.status = Status::Paused;
        break;
      case SearchOrder::Kind::Resume:
        fate.status = Status::Running;
        break;
      case SearchOrder::Kind::SetEpochs:
        goals_[order.model.index()] = order.epochs;
        if (fate.units == order.epochs * units_per_epoch_) fate.status = Status::Finished;
    }
  }

  const Scenario& s_;
  const std::uint32_t units_per_epoch_;
  CalmRun run_;
  std::vector<std::uint32_t> goals_;
  Log search_;
};

}  // namespace

double toy_accuracy(const Scenario& s, ModelId model, Epoch epoch) {
  return static_cast<double>(hash64(s.seed, "accuracy", {model.value, epoch.value}) % 1000) / 1000;
}

std::unique_ptr<Search> make_search(const Scenario& scenario) {
  switch (scenario.search) {
    case SearchKind::AllAtOnce:
      return std::make_unique<AllAtOnce>(scenario.models);
    case SearchKind::Coins:
      return std::make_unique<Coins>(scenario);
    case SearchKind::Evolving:
      return std::make_unique<Evolving>(scenario);
    case SearchKind::Halving:
      return make_halving(scenario);
  }
  return nullptr;
}

ModelId CalmRun::ancestor(ModelId model, Unit unit) const {
  while (unit.value < fates[model.index()].inherited) model = fates[model.index()].parent->model;
  return model;
}

CalmRun calm_run(const Scenario& scenario) { return Calm(scenario).run(); }

std::unique_ptr<Search> witness(std::unique_ptr<Search> search, const std::vector<std::string>& calls,
                                std::size_t& heard) {
  heard = 0;
  return std::make_unique<Log>(std::move(search), [&calls, &heard](const std::string& call) {
    if (heard < calls.size() && calls[heard] == call) {
      ++heard;
      return;
    }
    throw Violation("the search hears the calls of the calm run: expected " +
                    (heard < calls.size() ? calls[heard] : std::string("no more")) + ", got " + call);
  });
}

}  // namespace hop::hopper::simulate
