#include "hopper/detail/unread_settings.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/words.h"
#include "hopper/build_model.h"
#include "hopper/detail/experiment_keys.h"
#include "nn/optim/by_name.h"

namespace hop::hopper {
namespace {

using Names = std::vector<std::string>;

bool has(const auto& names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

// What the experiment may choose for `kind`: a list of [search.space], or the names that hold for all models.
Names chosen(const Experiment& experiment, std::string_view kind, Names otherwise) {
  for (const auto& [name, dimension] : experiment.search.space) {
    const auto* choices = std::get_if<Choices>(&dimension);
    if (name != kind || choices == nullptr) continue;
    Names names;
    for (const Value& value : *choices) {
      if (const auto* word = std::get_if<std::string>(&value)) names.push_back(*word);
    }
    return names;
  }
  return otherwise;
}

bool is_in_a_layer(const ModelOptions& model, const std::string& name) {
  return std::ranges::any_of(model.layers, [&](const std::string& layer) { return has(names_in_layer(layer), name); });
}

// `chosen`: the names of rows that the experiment may choose. `readers`: of the rows that read the hyperparameter.
void expect_reader(const Experiment& experiment, std::string_view kind, const Names& chosen, const std::string& setting,
                   const std::vector<std::string_view>& readers) {
  if (readers.empty() || std::ranges::any_of(readers, [&](std::string_view reader) { return has(chosen, reader); }))
    return;
  if (is_in_a_layer(experiment.model, setting)) return;
  const std::vector<std::string_view> taken(chosen.begin(), chosen.end());
  const std::string what(kind);
  throw ConfigError("[search.space] " + setting + ": " + list_of(readers) + (readers.size() == 1 ? " reads" : " read") +
                    " it, and " +
                    (taken.empty() ? "no " + what + " is named" : "the " + what + " is " + list_of(taken)) +
                    ": write " + what + " = \"" + std::string(readers[0]) + "\", or leave " + setting + " out");
}

bool are_known(const auto& rows, const Names& names) {
  return std::ranges::all_of(names, [&](const std::string& name) {
    return std::ranges::any_of(rows, [&](const auto& row) { return row.name == name; });
  });
}

// `rows`: of optim::optimizers() or optim::schedules().
void check(const Experiment& experiment, std::string_view kind, const auto& rows, const Names& chosen) {
  for (const auto& hyperparameter : experiment.search.space) {
    const std::string& setting = hyperparameter.first;  // clang 14 captures no part of a binding
    std::vector<std::string_view> readers;
    for (const auto& row : rows) {
      const auto reads = [&](const auto& entry) { return entry.first == setting; };
      if (std::ranges::any_of(row.settings, reads)) readers.push_back(row.name);
    }
    expect_reader(experiment, kind, chosen, setting, readers);
  }
}

const Dimension* find(const Experiment& experiment, std::string_view name) {
  for (const auto& [known, dimension] : experiment.search.space) {
    if (known == name) return &dimension;
  }
  return nullptr;
}

// A plateau counts epochs anyway, and a rate that stays counts nothing.
void check_schedule_by(const Experiment& experiment, const Names& chosen) {
  if (find(experiment, "schedule_by") == nullptr) return;
  std::vector<std::string_view> readers;
  for (const optim::ScheduleRow& row : optim::schedules()) {
    nn::ConfigText text = {{"schedule", std::string(row.name)}};
    if (find(experiment, "factor") != nullptr) text.emplace("factor", "0.5");
    if (optim::counts_steps(text)) readers.push_back(row.name);
  }
  expect_reader(experiment, "schedule", chosen, "schedule_by", readers);
}

struct Bounds {
  double least, most;
};

// Of the numbers that a hyperparameter may be; none where it is none.
std::optional<Bounds> bounds_of(const Experiment& experiment, std::string_view name) {
  const Dimension* const dimension = find(experiment, name);
  if (dimension == nullptr) return std::nullopt;
  if (const auto* range = std::get_if<Range>(dimension)) return Bounds{range->min, range->max};
  std::vector<double> numbers;
  for (const Value& value : std::get<Choices>(*dimension)) {
    if (const auto* number = std::get_if<double>(&value)) numbers.push_back(*number);
    if (const auto* whole = std::get_if<std::int64_t>(&value)) numbers.push_back(static_cast<double>(*whole));
  }
  if (numbers.empty()) return std::nullopt;
  return Bounds{std::ranges::min(numbers), std::ranges::max(numbers)};
}

// A plateau that can lower no rate.
void check_min_lr(const Experiment& experiment, const Names& chosen) {
  const std::optional<Bounds> lr = bounds_of(experiment, "lr"), min_lr = bounds_of(experiment, "min_lr");
  if (!has(chosen, "plateau") || !lr || !min_lr || min_lr->least < lr->most) return;
  throw ConfigError("[search.space] min_lr: expected less than lr, which is at most " + shortest(lr->most) + ", got " +
                    shortest(min_lr->least) + ": the schedule would lower no rate; write a smaller min_lr");
}

}  // namespace

void check_settings_read(const Experiment& experiment) {
  const ModelOptions& model = experiment.model;
  // The application's code reads the names that it likes.
  if (model.builder || model.optimizer.name() == kOwnCode || experiment.search.method == kOwnCode ||
      experiment.search.make)
    return;
  const Names optimizers =
      chosen(experiment, "optimizer", {model.optimizer.name().empty() ? "sgd" : model.optimizer.name()});
  const Names schedules = chosen(experiment, "schedule", {});  // without a name the rate stays, and reads lr alone
  // A name that is not known is refused by its reader.
  if (are_known(optim::optimizers(), optimizers)) check(experiment, "optimizer", optim::optimizers(), optimizers);
  if (!are_known(optim::schedules(), schedules)) return;
  check(experiment, "schedule", optim::schedules(), schedules);
  check_schedule_by(experiment, schedules);
  check_min_lr(experiment, schedules);
}

}  // namespace hop::hopper
