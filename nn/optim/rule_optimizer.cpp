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

double lr_scale_of(double lr, double first_lr, std::size_t group) {
  if (lr == first_lr) return 1;
  if (first_lr != 0) return lr / first_lr;
  throw ConfigError("[optimizer] expected a first group with lr above 0, got 0, and " + shortest(lr) + " in group " +
                    std::to_string(group) + ": the rates of groups are in proportion to the first");
}

void check_slots(const kernels::UpdateRule& rule, const kernels::UpdateRule& first, std::size_t group) {
  const std::vector<std::string_view> own = kernels::slots_of(rule), expected = kernels::slots_of(first);
  if (own == expected) return;
  throw ConfigError("[optimizer] expected groups with the same slots, got group " + std::to_string(group) + " with " +
                    std::to_string(own.size()) + " and group 0 with " + std::to_string(expected.size()) +
                    ": momentum, centered and amsgrad are on in all groups or in none; otherwise make an optimizer for "
                    "each group");
}

std::vector<std::string_view> Groups::slots() const {
  for (std::size_t i = 1; i < rules.size(); ++i) check_slots(rules[i], rules.front(), i);
  return kernels::slots_of(rules.front());
}

void Groups::enter(std::span<ParameterSegment> segments) const {
  std::size_t next = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const double scale = lr_scale_of(lr[i], lr[0], i);
    for (std::size_t k = 0; k < parameters[i].tensors().size(); ++k, ++next) {
      segments[next].group = i;
      segments[next].lr_scale = scale;
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
