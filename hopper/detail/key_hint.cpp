#include "hopper/detail/key_hint.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/words.h"
#include "hopper/build_model.h"
#include "hopper/detail/experiment_keys.h"
#include "nn/loss.h"

namespace hop::hopper {
namespace {

constexpr std::string_view kSpace = "search.space";

std::vector<std::string> keys_of(std::string_view section, const ModelOptions& model) {
  if (section == kSpace) return names_read(model);
  std::vector<std::string> names;
  for (const ExperimentKey& key : experiment_keys()) {
    if (key.section == section) names.emplace_back(key.name);
  }
  return names;
}

std::string place_of(std::string_view section) {
  return section.empty() ? "the file itself, before its first section" : "[" + std::string(section) + "]";
}

}  // namespace

std::string key_hint(std::string_view name, std::string_view section, std::span<const std::string> known,
                     const ModelOptions& model) {
  if (section == "model") {
    for (const nn::LossRow& loss : nn::losses()) {
      for (const nn::LossSetting& setting : loss.settings) {
        if (setting.name != name) continue;
        return "; it is a setting of a loss: loss = \"" + std::string(loss.name) + " " + std::string(name) + "=" +
               std::string(setting.fallback) + "\"";
      }
    }
  }
  constexpr std::array<std::string_view, 6> kSections = {kSpace, "data", "model", "search", "run", ""};
  std::string near_elsewhere;
  for (const std::string_view other : kSections) {
    if (other == section) continue;
    const std::vector<std::string> keys = keys_of(other, model);
    if (std::ranges::find(keys, name) != keys.end()) return "; it is a key of " + place_of(other);
    const std::string near = near_elsewhere.empty() ? nearest(name, keys) : "";
    if (!near.empty()) near_elsewhere = "; did you mean \"" + near + "\" of " + place_of(other) + "?";
  }
  const std::string near = nearest(name, known);
  return near.empty() && !near_elsewhere.empty() ? near_elsewhere : hint(name, known);
}

}  // namespace hop::hopper
