#include "nn/optim/by_name.h"

#include <cctype>
#include <type_traits>

#include "base/error.h"
#include "base/table.h"
#include "nn/detail/number.h"
#include "nn/optim/lamb.h"
#include "nn/optim/rule_optimizer.h"

namespace hop::optim {
namespace {

using kernels::rules::Range;
using nn::flag_of;
using nn::integer_of;
using nn::number_of;

void read(const nn::ConfigText& config, std::string_view name, double& value) {
  value = number_of(config, name, value);
}
void read(const nn::ConfigText& config, std::string_view name, bool& value) { value = flag_of(config, name, value); }

std::string text_of_default(double value) { return shortest(value); }
std::string text_of_default(bool value) { return value ? "true" : "false"; }

template <class Rule, class Made>
std::unique_ptr<Optimizer> make(const nn::ConfigText& config, const ParameterList& parameters) {
  Rule rule;
  Rule::settings(rule, [&](std::string_view name, auto& value, Range) { read(config, name, value); });
  return std::make_unique<Made>(parameters, rule);
}

template <class Rule, class Made = RuleOptimizer<Rule>>
OptimizerRow row_of() {
  OptimizerRow row{.doc = Rule::doc, .make = make<Rule, Made>};
  for (const char c : Rule::name) row.name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const Rule defaults;
  Rule::settings(defaults, [&](std::string_view name, const auto& value, Range) {
    row.settings.emplace_back(name, text_of_default(value));
  });
  return row;
}

template <class... Rules>
std::vector<OptimizerRow> rows_of(std::type_identity<std::variant<Rules...>>) {
  return {row_of<Rules>()..., row_of<LAMBOptions, LAMB>()};
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

LRSchedule constant(const nn::ConfigText&, double lr, std::int64_t) { return ConstantLR{.lr = lr}; }

// A growing rate may leave its range long after the first step, so the last rate is checked.
LRSchedule step(const nn::ConfigText& config, double lr, std::int64_t total_steps) {
  const StepLR schedule{
      .lr = lr, .step_size = at_least(1, config, "step_size", 1), .gamma = rate(config, "gamma", 0.1)};
  nn::detail::check_range("schedule", "a rate that stays finite", schedule(total_steps), {.min = 0});
  return schedule;
}

LRSchedule cosine(const nn::ConfigText& config, double lr, std::int64_t total_steps) {
  return CosineAnnealingLR{.lr = lr,
                           .t_max = at_least(1, config, "t_max", total_steps),
                           .eta_min = rate(config, "eta_min", 0),
                           .warmup = at_least(0, config, "warmup", 0)};
}

}  // namespace

std::span<const OptimizerRow> optimizers() {
  static const std::vector<OptimizerRow> rows = rows_of(std::type_identity<kernels::UpdateRule::variant>());
  return rows;
}

std::span<const ScheduleRow> schedules() {
  static const std::vector<ScheduleRow> rows = {
      {"constant", "`lr` at each step", {}, constant},
      {"step", "`lr` times `gamma` after every `step_size` steps", {{"step_size", "1"}, {"gamma", "0.1"}}, step},
      {"cosine",
       "up in a line for `warmup` steps, then half a cosine from `lr` to `eta_min` at step `t_max`",
       {{"t_max", "all steps"}, {"eta_min", "0"}, {"warmup", "0"}},
       cosine},
  };
  return rows;
}

std::unique_ptr<Optimizer> make_optimizer(const nn::ConfigText& config, const ParameterList& parameters) {
  return find_row(optimizers(), nn::text_of(config, "optimizer", "sgd"), "[config] optimizer").make(config, parameters);
}

LRSchedule make_lr_schedule(const nn::ConfigText& config, std::int64_t total_steps, double default_lr) {
  const ScheduleRow& row = find_row(schedules(), nn::text_of(config, "schedule", "constant"), "[config] schedule");
  return row.make(config, rate(config, "lr", default_lr), total_steps);
}

}  // namespace hop::optim
