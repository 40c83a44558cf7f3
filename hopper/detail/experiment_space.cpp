// [search.space]: the hyperparameters and their values, from TOML and back.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/words.h"
#include "hopper/build_model.h"
#include "hopper/detail/experiment_keys.h"
#include "hopper/detail/key_hint.h"
#include "nn/config_text.h"
#include "nn/families.h"
#include "nn/spec.h"

namespace hop::hopper {
namespace {

// One of a few words; the error names the nearest.
template <std::size_t N>
std::optional<std::size_t> choice(TomlSection& section, std::string_view key, const std::array<std::string, N>& words) {
  const std::optional<std::string> word = section.text(key);
  if (!word) return std::nullopt;
  for (std::size_t i = 0; i < N; ++i) {
    if (words[i] == *word) return i;
  }
  section.fail(key, "unknown value \"" + printable(*word) + "\"" + hint(*word, words));
}

Range read_range(TomlSection& section) {
  Range range;
  const auto min = section.number("min"), max = section.number("max");
  static const std::array<std::string, 2> kScales = {"linear", "log"}, kTypes = {"float", "int"};
  const auto scale = choice(section, "scale", kScales), type = choice(section, "type", kTypes);
  section.finish();
  if (!min) section.fail("min", "missing");
  if (!max) section.fail("max", "missing");
  if (*min > *max)
    section.fail("min", "expected at most max, got min = " + shortest(*min) + ", max = " + shortest(*max));
  range.min = *min;
  range.max = *max;
  range.scale = scale.value_or(0) == 1 ? Scale::Log : Scale::Linear;
  range.type = type.value_or(0) == 1 ? NumberType::Int : NumberType::Float;
  return range;
}

Dimension read_dimension(TomlSection& section, const std::string& name) {
  const toml::node* node = section.node(name);
  if (node->is_table()) {
    auto table = section.section(name);
    return read_range(*table);
  }
  const auto finite = [&](const Value& value) {
    const auto* number = std::get_if<double>(&value);
    if (number != nullptr && !std::isfinite(*number)) {
      section.fail(name, "expected finite numbers, got " + shortest(*number));
    }
    return value;
  };
  if (auto value = to_value(*node)) return Choices{finite(*value)};
  Choices choices;
  const toml::array* list = node->as_array();
  if (list == nullptr) section.fail(name, "expected a value, a list of values or { min, max }, got " + type_of(*node));
  for (const toml::node& element : *list) {
    auto value = to_value(element);
    if (!value) section.fail(name, "expected a list of numbers, strings or booleans, got " + type_of(element));
    choices.push_back(finite(*value));
  }
  if (choices.empty()) section.fail(name, "expected at least one value");
  return choices;
}

// toml++ sorts keys by name; the order in the file is the order of the grid. Overrides come last.
std::vector<std::string> keys_in_file_order(const toml::table& table) {
  std::vector<std::pair<toml::source_position, std::string>> keys;
  for (const auto& [key, node] : table) {
    toml::source_position at = key.source().begin;
    if (!at) at = {std::numeric_limits<toml::source_index>::max(), 0};
    keys.emplace_back(at, key.str());
  }
  std::stable_sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (auto& [at, name] : keys) names.push_back(std::move(name));
  return names;
}

// Whether the model or its training needs a whole number for a name. Tried with a layer, which takes 2 but not 1.5.
bool wants_integer(const ModelOptions& model, const std::string& name) {
  static constexpr std::array<std::string_view, 4> kOfTraining = {"batch_size", "step_size", "t_max", "warmup"};
  if (std::ranges::find(kOfTraining, name) != kOfTraining.end()) return true;
  if (!model.family.empty() || model.layers.empty()) {  // an application's builder most likely means what mlp means
    const std::string_view family = model.family.empty() ? "mlp" : std::string_view(model.family);
    return std::ranges::any_of(nn::families(), [&](const nn::FamilyRow& row) {
      return row.name == family && std::ranges::find(row.integers, name) != row.integers.end();
    });
  }
  for (const std::string& layer : model.layers) {
    const auto takes = [&](const char* value) {
      nn::ConfigText values = {{"classes", "2"}, {"outputs", "2"}};
      for (const std::string& other : names_in_layer(layer)) values[other] = "1";
      values[name] = value;
      const std::array<std::string, 1> text = {nn::substitute(layer, values)};
      try {
        nn::parse_spec(text);
        return true;
      } catch (const ConfigError&) {
        return false;
      }
    };
    const std::vector<std::string> names = names_in_layer(layer);
    if (std::ranges::find(names, name) != names.end() && takes("2") && !takes("1.5")) return true;
  }
  return false;
}

std::string dimension_text(const Dimension& dimension) {
  if (const auto* range = std::get_if<Range>(&dimension)) {
    return "{ min = " + to_text(Value(range->min)) + ", max = " + to_text(Value(range->max)) +
           (range->scale == Scale::Log ? ", scale = \"log\"" : "") +
           (range->type == NumberType::Int ? ", type = \"int\"" : "") + " }";
  }
  std::string text = "[";
  for (const Value& value : std::get<Choices>(dimension)) text += (text.size() == 1 ? "" : ", ") + to_text(value);
  return text + "]";
}

}  // namespace

void read_space(TomlSection section, Space& space) {
  for (const std::string& name : keys_in_file_order(section.table())) {
    space.emplace_back(name, read_dimension(section, name));
  }
}

std::string write_space(const Space& space) {
  std::string text;
  for (const auto& [name, dimension] : space) text += to_text(Value(name)) + " = " + dimension_text(dimension) + "\n";
  return text;
}

void check_space_names(const TomlSection& space, const Experiment& experiment) {
  const ModelOptions& model = experiment.model;
  if (model.family.empty() && model.layers.empty()) return;  // the application's code may read any name
  // An optimizer or a search of the application may read any name, too.
  const bool any = model.optimizer.name() == kOwnCode || experiment.search.method == kOwnCode;
  const std::vector<std::string> valid = names_read(model);
  for (const auto& [name, dimension] : experiment.search.space) {
    if (!any && std::ranges::find(valid, name) == valid.end()) {
      space.fail(name, "nothing reads this name" + key_hint(name, "search.space", valid, model));
    }
    if (!wants_integer(model, name)) continue;
    const auto* range = std::get_if<Range>(&dimension);
    if (range != nullptr && range->type == NumberType::Float) {
      space.fail(name, "expected whole numbers, got a range of all numbers; add type = \"int\"");
    }
    if (range != nullptr) continue;
    for (const Value& value : std::get<Choices>(dimension)) {
      if (const auto* number = std::get_if<double>(&value)) {
        space.fail(name, "expected a whole number, got " + to_text(*number));
      }
    }
  }
}

}  // namespace hop::hopper
