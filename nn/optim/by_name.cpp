#include "nn/optim/by_name.h"

#include <cctype>
#include <type_traits>

#include "base/error.h"
#include "base/table.h"
#include "nn/optim/lamb.h"
#include "nn/optim/rule_optimizer.h"

namespace hop::optim {
namespace {

using kernels::rules::Range;
using nn::flag_of;
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

}  // namespace

std::span<const OptimizerRow> optimizers() {
  static const std::vector<OptimizerRow> rows = rows_of(std::type_identity<kernels::UpdateRule::variant>());
  return rows;
}

std::unique_ptr<Optimizer> make_optimizer(const nn::ConfigText& config, const ParameterList& parameters) {
  return find_row(optimizers(), nn::text_of(config, "optimizer", "sgd"), "[config] optimizer").make(config, parameters);
}

}  // namespace hop::optim
