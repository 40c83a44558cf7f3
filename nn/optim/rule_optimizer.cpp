#include "nn/optim/rule_optimizer.h"

#include "base/error.h"
#include "kernels/capture.h"
#include "nn/detail/settings.h"

namespace hop::optim {

void check_settings(const kernels::UpdateRule& rule) {
  std::visit([](const auto& r) { nn::detail::check_settings(r); }, rule);
}

namespace detail {

void refuse_no_group() { throw ConfigError("[optimizer] expected at least one group of parameters, got none"); }

std::vector<std::string_view> Groups::slots() const {
  const std::vector<std::string_view> first = kernels::slots_of(rules.front());
  for (std::size_t i = 1; i < rules.size(); ++i) {
    if (kernels::slots_of(rules[i]) == first) continue;
    throw ConfigError("[optimizer] expected groups with the same slots, got group " + std::to_string(i) + " with " +
                      std::to_string(kernels::slots_of(rules[i]).size()) + " and group 0 with " +
                      std::to_string(first.size()) +
                      ": momentum is 0 in all groups or in none; otherwise make an optimizer for each group");
  }
  return first;
}

void Groups::enter(std::span<ParameterSegment> segments) const {
  std::size_t next = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (lr[i] != lr[0] && lr[0] == 0) {
      throw ConfigError("[optimizer] expected a first group with lr above 0, got 0, and " + shortest(lr[i]) +
                        " in group " + std::to_string(i) + ": the rates of groups are in proportion to the first");
    }
    for (std::size_t k = 0; k < parameters[i].tensors().size(); ++k, ++next) {
      segments[next].group = i;
      segments[next].lr_scale = lr[i] == lr[0] ? 1 : lr[i] / lr[0];
    }
  }
}

void check_momentum(std::string_view name, const kernels::UpdateRule& before, const kernels::UpdateRule& after) {
  if (is_capturing()) throw StateError("[set_momentum] the momentum cannot be set while a step is captured");
  check_settings(after);
  if (kernels::slots_of(before) == kernels::slots_of(after)) return;
  throw ConfigError("[set_momentum] expected a momentum that stays 0 or stays above 0, because " + std::string(name) +
                    " keeps a slot for it: make the optimizer with a momentum above 0");
}

}  // namespace detail

}  // namespace hop::optim
