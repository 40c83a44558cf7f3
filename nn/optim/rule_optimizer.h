// Any row of kernels/update_rules.h as an optimizer, with one group of parameters or several:
//
//   optim::AdamW adamw({{backbone.named_parameters(), {.lr = 1e-4}},
//                       {head.named_parameters(), {.lr = 1e-3, .weight_decay = 0}}});
//   adamw.add_param_group({encoder.named_parameters(), {.lr = 1e-5}});
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/update_rules.h"
#include "nn/optim/optimizer.h"

namespace hop::optim {

/// Throws ConfigError for a setting that is out of range, and for settings that contradict each other.
void check_settings(const kernels::UpdateRule& rule);

/// Parameters with settings of their own.
template <class Rule>
struct ParameterGroup {
  ParameterList parameters = std::vector<Tensor>();
  Rule options{};
};

namespace detail {

/// What the groups of an optimizer have in common.
struct Groups {
  std::vector<ParameterList> parameters{};
  std::vector<kernels::UpdateRule> rules{};
  std::vector<double> lr{};
  ParameterList all() const { return ParameterList::join(parameters); }
  /// Of all rules. Throws ConfigError unless all rules have the same slots.
  std::vector<std::string_view> slots() const;
  /// Tells the parameters in which group they are. The learning rates become scales of the first group's, so set_lr()
  /// moves all groups in proportion. Throws ConfigError if only the first rate is 0.
  void enter(std::span<ParameterSegment> segments) const;
};

[[noreturn]] void refuse_no_group();
/// lr over the rate of the first group. Throws ConfigError if that is 0 and `lr` is not.
double lr_scale_of(double lr, double first_lr, std::size_t group);
/// Throws ConfigError unless a new group has the slots of the first one.
void check_slots(const kernels::UpdateRule& rule, const kernels::UpdateRule& first, std::size_t group);
/// Throws as Optimizer::set_momentum().
void check_momentum(std::string_view name, const kernels::UpdateRule& before, const kernels::UpdateRule& after);

}  // namespace detail

/// Updates all parameters in one fused pass per group. `rule` holds the settings. Its lr is the first learning rate:
/// set_lr() changes the rate of later steps.
template <class Rule>
class RuleOptimizer final : public Optimizer {
 public:
  using Group = ParameterGroup<Rule>;

  /// Throws ConfigError as check_settings(), and as the constructor of Optimizer.
  explicit RuleOptimizer(const ParameterList& parameters, Rule rule = {})
      : Optimizer(parameters, kernels::slots_of(rule), rule.lr), rules_(std::make_shared<std::vector<Rule>>(1, rule)) {
    check_settings(rule);
  }
  /// Groups of parameters, each with its settings. lr() and set_lr() speak of the first group's rate; the others keep
  /// their ratio to it. Throws ConfigError, too, without a group, and for groups that need different slots.
  explicit RuleOptimizer(const std::vector<Group>& groups) : RuleOptimizer(common(groups), groups) {}

  /// torch.optim.Optimizer.add_param_group: one more group, whose rate is group.options.lr from now on, in proportion
  /// to lr(). Its slots are zero, but the step count is that of all parameters. (PyTorch counts the steps of each
  /// parameter. Here the bias correction of Adam does not begin anew for a late group, so its first steps are up to
  /// three times as long; give the group a smaller rate at first, or make a new optimizer.) A state block that is made
  /// later has the slots, and an average of weights (optim::WeightAverage) that is made later the parameters. Throws
  /// ConfigError and StateError, and as the constructors; then nothing was added.
  void add_param_group(const Group& group) {
    check_settings(group.options);
    const std::size_t number = rules_->size();
    detail::check_slots(group.options, rules_->front(), number);
    auto rules = std::make_shared<std::vector<Rule>>(*rules_);  // captured steps watch the old ones
    rules->push_back(group.options);
    add_parameters(group.parameters, number, detail::lr_scale_of(group.options.lr, lr(), number));
    rules_ = std::move(rules);
    make_group_step();
  }
  /// The same with the settings of the first group, and the rate that it was made with.
  void add_param_group(const ParameterList& parameters) { add_param_group(Group{parameters, rules_->front()}); }

  void step() override {
    for (const Rule& rule : *rules_) {
      if (const double* value = momentum_of(rule)) depend_on(rules_, *value);
    }
    if (rules_->size() == 1) return update_by(kernels::UpdateRule(rules_->front()));
    const std::vector<kernels::UpdateRule> rules(rules_->begin(), rules_->end());
    update_by(std::span<const kernels::UpdateRule>(rules));
  }

  std::optional<double> momentum() const override {
    const double* value = momentum_of(rules_->front());
    return value != nullptr ? std::optional(*value) : std::nullopt;
  }
  void set_momentum(double momentum) override {
    std::vector<Rule> changed = *rules_;
    for (Rule& rule : changed) {
      double* const value = momentum_of(rule);
      if (value == nullptr) return Optimizer::set_momentum(momentum);
      const kernels::UpdateRule before = rule;
      *value = momentum;
      detail::check_momentum(Rule::name, before, rule);
    }
    std::ranges::copy(changed, rules_->begin());
  }

 private:
  RuleOptimizer(const detail::Groups& common, const std::vector<Group>& groups)
      : Optimizer(common.all(), common.slots(), common.lr.front()), rules_(std::make_shared<std::vector<Rule>>()) {
    for (const Group& group : groups) {
      check_settings(group.options);
      rules_->push_back(group.options);
    }
    common.enter(segments());
    make_group_step();
  }
  static detail::Groups common(const std::vector<Group>& groups) {
    if (groups.empty()) detail::refuse_no_group();
    detail::Groups all;
    for (const Group& group : groups) {
      all.parameters.push_back(group.parameters);
      all.rules.push_back(group.options);
      all.lr.push_back(group.options.lr);
    }
    return all;
  }
  /// Null for a rule without momentum.
  template <class R>
  static auto momentum_of(R& rule) -> decltype(&rule.lr) {
    if constexpr (requires { rule.momentum; })
      return &rule.momentum;
    else if constexpr (requires { rule.beta1; })
      return &rule.beta1;
    else
      return nullptr;
  }

  std::shared_ptr<std::vector<Rule>> rules_;  // of each group; captured steps watch the momentum in it
};

}  // namespace hop::optim
