#include "hopper/detail/unread_settings.h"

#include <algorithm>
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

// What the experiment may choose for `kind`: a list of [search.space], or the one name that holds for all models.
Names chosen(const Experiment& experiment, std::string_view kind, const std::string& otherwise) {
  for (const auto& [name, dimension] : experiment.search.space) {
    const auto* choices = std::get_if<Choices>(&dimension);
    if (name != kind || choices == nullptr) continue;
    Names names;
    for (const Value& value : *choices) {
      if (const auto* word = std::get_if<std::string>(&value)) names.push_back(*word);
    }
    return names;
  }
  return {otherwise};
}

bool is_in_a_layer(const ModelOptions& model, const std::string& name) {
  return std::ranges::any_of(model.layers, [&](const std::string& layer) { return has(names_in_layer(layer), name); });
}

// `rows`: of optim::optimizers() or optim::schedules().
void check(const Experiment& experiment, std::string_view kind, const auto& rows, const Names& names) {
  const auto is_known = [&](const std::string& name) {
    return std::ranges::any_of(rows, [&](const auto& row) { return row.name == name; });
  };
  if (!std::ranges::all_of(names, is_known)) return;  // whoever reads the name refuses it
  for (const auto& hyperparameter : experiment.search.space) {
    const std::string& setting = hyperparameter.first;  // clang 14 captures no part of a binding
    std::vector<std::string_view> readers;
    for (const auto& row : rows) {
      const auto reads = [&](const auto& entry) { return entry.first == setting; };
      if (std::ranges::any_of(row.settings, reads)) readers.push_back(row.name);
    }
    if (readers.empty() || std::ranges::any_of(readers, [&](std::string_view reader) { return has(names, reader); }))
      continue;
    if (is_in_a_layer(experiment.model, setting)) continue;
    const std::vector<std::string_view> taken(names.begin(), names.end());
    const std::string what(kind);
    throw ConfigError("[search.space] " + setting + ": " + list_of(readers) +
                      (readers.size() == 1 ? " reads" : " read") + " it, and the " + what + " is " + list_of(taken) +
                      ": write " + what + " = \"" + std::string(readers[0]) + "\", or leave " + setting + " out");
  }
}

}  // namespace

void check_settings_read(const Experiment& experiment) {
  const ModelOptions& model = experiment.model;
  // The application's code reads the names that it likes.
  if (model.builder || model.optimizer.name() == kOwnCode || experiment.search.method == kOwnCode ||
      experiment.search.make)
    return;
  check(experiment, "optimizer", optim::optimizers(),
        chosen(experiment, "optimizer", model.optimizer.name().empty() ? "sgd" : model.optimizer.name()));
  check(experiment, "schedule", optim::schedules(), chosen(experiment, "schedule", "constant"));
}

}  // namespace hop::hopper
