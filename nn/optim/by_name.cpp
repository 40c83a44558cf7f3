#include "nn/optim/by_name.h"

#include <array>
#include <cctype>
#include <type_traits>

#include "base/error.h"
#include "base/table.h"
#include "nn/detail/number.h"
#include "nn/optim/rule_optimizer.h"

namespace hop::optim {
namespace {

using kernels::rules::Range;
using nn::flag_of;
using nn::integer_of;
using nn::number_of;

constexpr std::array<std::string_view, 3> kSchedules = {"constant", "step", "cosine"};

void read(const nn::ConfigText& config, std::string_view name, double& value) {
  value = number_of(config, name, value);
}
void read(const nn::ConfigText& config, std::string_view name, bool& value) { value = flag_of(config, name, value); }

std::string text_of_default(double value) { return shortest(value); }
std::string text_of_default(bool value) { return value ? "true" : "false"; }

template <class Rule>
std::unique_ptr<Optimizer> make(const nn::ConfigText& config, const ParameterList& parameters) {
  Rule rule;
  Rule::settings(rule, [&](std::string_view name, auto& value, Range) { read(config, name, value); });
  return std::make_unique<RuleOptimizer<Rule>>(parameters, rule);
}

template <class Rule>
OptimizerRow row_of() {
  OptimizerRow row{.doc = Rule::doc, .make = make<Rule>};
  for (const char c : Rule::name) row.name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const Rule defaults;
  Rule::settings(defaults, [&](std::string_view name, const auto& value, Range) {
    row.settings.emplace_back(name, text_of_default(value));
  });
  return row;
}

template <class... Rules>
std::vector<OptimizerRow> rows_of(std::type_identity<std::variant<Rules...>>) {
  return {row_of<Rules>()...};
}

std::int64_t at_least(std::int64_t min, const nn::ConfigText& config, const char* name, std::int64_t fallback) {
  const std::int64_t value = integer_of(config, name, fallback);
  nn::detail::check_range("schedule", name, static_cast<double>(value), {.min = static_cast<double>(min)});
  return value;
}

double rate(const nn::ConfigText& config, const char* name, double fallback) {
  const double value = number_of(config, name, fallback);
  nn::detail::check_range("schedule", name, value, {.min = 0});
  return value;
}

// A growing rate may leave its range long after the first step, so the last rate is checked.
LRSchedule checked(const StepLR& schedule, std::int64_t total_steps) {
  nn::detail::check_range("schedule", "a rate that stays finite", schedule(total_steps), {.min = 0});
  return schedule;
}

}  // namespace

std::span<const OptimizerRow> optimizers() {
  static const std::vector<OptimizerRow> rows = rows_of(std::type_identity<kernels::UpdateRule::variant>());
  return rows;
}

std::span<const std::string_view> schedule_names() { return kSchedules; }

std::unique_ptr<Optimizer> make_optimizer(const nn::ConfigText& config, const ParameterList& parameters) {
  return find_row(optimizers(), nn::text_of(config, "optimizer", "sgd"), "[config] optimizer").make(config, parameters);
}

LRSchedule make_lr_schedule(const nn::ConfigText& config, std::int64_t total_steps, double default_lr) {
  const std::string name = nn::text_of(config, "schedule", "constant");
  const double lr = rate(config, "lr", default_lr);
  if (name == "constant") return ConstantLR{.lr = lr};
  if (name == "step") {
    return checked({.lr = lr, .step_size = at_least(1, config, "step_size", 1), .gamma = rate(config, "gamma", 0.1)},
                   total_steps);
  }
  if (name == "cosine") {
    return CosineAnnealingLR{.lr = lr,
                             .t_max = at_least(1, config, "t_max", total_steps),
                             .eta_min = rate(config, "eta_min", 0),
                             .warmup = at_least(0, config, "warmup", 0)};
  }
  throw ConfigError("[schedule] expected constant, step or cosine, got \"" + name + "\"" +
                    did_you_mean(name, kSchedules));
}

}  // namespace hop::optim
