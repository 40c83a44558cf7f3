#include "hopper/search/objective.h"

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/words.h"

namespace hop::hopper {
namespace {

constexpr std::array<std::string_view, 3> kNames = {"valid_accuracy", "valid_loss", "train_loss"};
constexpr std::string_view kHighest = "highest_own", kLowest = "lowest_own";

// "" or "_K": the place of an own metric.
std::optional<std::size_t> place_of(std::string_view text) {
  if (text.empty()) return 0;
  std::size_t place = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), place);
  const bool is_place = text.front() == '_' && error == std::errc() && end == text.data() + text.size();
  return is_place ? std::optional(place) : std::nullopt;
}

}  // namespace

Objective Objective::own(bool higher_is_better, std::size_t place, std::string name) {
  Objective objective(Own);
  objective.higher_is_better = higher_is_better;
  objective.place = place;
  objective.own_name = std::move(name);
  return objective;
}

bool Objective::operator==(const Objective& other) const {
  if (kind != other.kind) return false;
  return kind != Own || (place == other.place && higher_is_better == other.higher_is_better);
}

std::span<const std::string_view> objective_names() { return kNames; }

std::string to_string(const Objective& objective) {
  if (objective.kind != Objective::Own) return std::string(kNames[objective.kind]);
  if (!objective.own_name.empty()) return objective.own_name;
  return std::string(objective.higher_is_better ? kHighest : kLowest) +
         (objective.place == 0 ? "" : "_" + std::to_string(objective.place));
}

Objective parse_objective(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<Objective::Kind>(i);
  }
  for (const std::string_view direction : {kHighest, kLowest}) {
    if (!name.starts_with(direction)) continue;
    if (const auto place = place_of(name.substr(direction.size()))) {
      return Objective::own(direction == kHighest, *place);
    }
  }
  throw ConfigError("[search] expected valid_accuracy, valid_loss or train_loss as the metric, got `" +
                    std::string(name) + "`" + hint(name, kNames));
}

bool is_maximised(const Objective& objective) {
  return objective.kind == Objective::ValidAccuracy || (objective.kind == Objective::Own && objective.higher_is_better);
}

std::optional<double> measured(const Objective& objective, const EpochMetrics& metrics) {
  std::optional<double> value;
  switch (objective.kind) {
    case Objective::ValidAccuracy:
      value = metrics.valid_accuracy;
      break;
    case Objective::ValidLoss:
      value = metrics.valid_loss;
      break;
    case Objective::TrainLoss:
      value = metrics.train_loss;
      break;
    case Objective::Own:
      if (objective.place < metrics.own.size()) value = metrics.own[objective.place];
      break;
  }
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::optional<double> score(const Objective& objective, const EpochMetrics& metrics) {
  const std::optional<double> value = measured(objective, metrics);
  if (!value) return std::nullopt;
  return is_maximised(objective) ? *value : -*value;
}

}  // namespace hop::hopper
