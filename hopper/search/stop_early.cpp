// A search with stopping rules beside it.
#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "hopper/search/stop_rules.h"

namespace hop::hopper {
namespace {

class StoppingSearch final : public Search {
 public:
  StoppingSearch(std::unique_ptr<Search> search, std::vector<std::unique_ptr<StopRule>> rules, std::uint32_t warmup,
                 std::uint32_t every, const Objective& objective)
      : search_(std::move(search)), rules_(std::move(rules)), warmup_(warmup), every_(every), objective_(objective) {}

  std::optional<Proposal> ask() override { return search_->ask(); }

  void asked(ModelId model, const Proposal& proposal) override {
    Curve& curve = curves_[model];
    curve.goal = proposal.epochs;
    if (proposal.parent) {
      const std::vector<double>& scores = curves_[proposal.parent->model].scores;
      curve.scores.assign(scores.begin(), scores.begin() + number_of(proposal.parent->epoch));
    }
    search_->asked(model, proposal);
  }

  void tell(ModelId model, Epoch epoch, const EpochMetrics& metrics) override {
    Curve& curve = curves_[model];
    curve.scores.resize(epoch.index());
    curve.scores.push_back(score(objective_, metrics).value_or(-std::numeric_limits<double>::infinity()));
    if (looks_at(epoch) && number_of(epoch) < curve.goal) candidates_.push_back(model);
    search_->tell(model, epoch, metrics);
  }

  void withdrawn(ModelId model, Withdrawal why) override { search_->withdrawn(model, why); }

  // The rules come first, so that the search judges only the models that they leave. A search that ignores withdrawn()
  // may give an order about a model that a rule has just stopped: then the rule's order counts.
  std::vector<SearchOrder> end_of_tick() override {
    std::vector<SearchOrder> orders;
    std::set<ModelId> stopped;
    for (const ModelId model : std::exchange(candidates_, {})) {
      auto why = verdict(model);
      if (!why) continue;
      orders.push_back(SearchOrder::stop(model, *std::move(why)));
      search_->withdrawn(model, Withdrawal::Stopped);
      stopped.insert(model);
    }
    for (SearchOrder& order : search_->end_of_tick()) {
      if (stopped.contains(order.model)) continue;
      if (order.kind == SearchOrder::Kind::SetEpochs) curves_[order.model].goal = order.epochs;
      orders.push_back(std::move(order));
    }
    return orders;
  }

  bool barrier_at(Epoch epoch) const override { return looks_at(epoch) || search_->barrier_at(epoch); }

 private:
  struct Curve {
    std::vector<double> scores;
    std::uint32_t goal = 0;
  };

  bool looks_at(Epoch epoch) const { return epoch.value >= warmup_ && (epoch.value - warmup_) % every_ == 0; }

  std::optional<std::string> verdict(ModelId model) const {
    const std::vector<double>& own = curves_.at(model).scores;
    std::vector<double> at_this_epoch;
    for (const auto& [id, other] : curves_) {
      if (other.scores.size() >= own.size()) at_this_epoch.push_back(other.scores[own.size() - 1]);
    }
    for (const auto& rule : rules_) {
      if (auto why = rule->verdict({own, at_this_epoch})) return why;
    }
    return std::nullopt;
  }

  std::unique_ptr<Search> search_;
  std::vector<std::unique_ptr<StopRule>> rules_;
  std::uint32_t warmup_, every_;
  Objective objective_;
  std::map<ModelId, Curve> curves_;
  std::vector<ModelId> candidates_;  // told in this tick at an epoch at which the rules look
};

}  // namespace

std::unique_ptr<Search> stop_early(std::unique_ptr<Search> search, std::span<const std::string> rules,
                                   const Config& settings, const Objective& objective) {
  if (rules.empty()) return search;
  for (const std::string& name : rules) find_stop_rule(name);  // throws
  std::vector<std::unique_ptr<StopRule>> made;
  for (const StopRuleRow& row : stop_rules()) {
    if (std::find(rules.begin(), rules.end(), row.name) != rules.end()) made.push_back(row.make(settings, objective));
  }
  const auto whole = [&](std::string_view name) {
    return static_cast<std::uint32_t>(*setting(common_stop_keys(), settings, name));
  };
  return std::make_unique<StoppingSearch>(std::move(search), std::move(made), whole("warmup"), whole("every"),
                                          objective);
}

}  // namespace hop::hopper
