// Any row of kernels/update_rules.h as an optimizer.
#pragma once

#include "kernels/update_rules.h"
#include "nn/optim/optimizer.h"

namespace hop::optim {

/// Throws ConfigError for a setting that is out of range, and for settings that contradict each other.
void check_settings(const kernels::UpdateRule& rule);

/// Updates all parameters in one fused pass. `rule` holds the settings. Its lr is the first learning rate: set_lr()
/// changes the rate of later steps.
template <class Rule>
class RuleOptimizer final : public Optimizer {
 public:
  /// Throws ConfigError as check_settings(), and as the constructor of Optimizer.
  explicit RuleOptimizer(const ParameterList& parameters, Rule rule = {})
      : Optimizer(parameters, kernels::slots_of(rule), rule.lr), rule_(rule) {
    check_settings(rule_);
  }
  void step() override { update_by(rule_); }

 private:
  kernels::UpdateRule rule_;
};

}  // namespace hop::optim
