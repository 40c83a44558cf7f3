#include "hopper/search/objective.h"

#include <array>
#include <cmath>
#include <string>

#include "base/error.h"
#include "base/words.h"

namespace hop::hopper {

namespace {
constexpr std::array<std::string_view, 5> kNames = {"valid_accuracy", "valid_loss", "train_loss", "highest_own",
                                                    "lowest_own"};
}  // namespace

std::span<const std::string_view> objective_names() { return kNames; }

std::string to_string(Objective objective) { return std::string(kNames[static_cast<std::size_t>(objective)]); }

Objective parse_objective(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<Objective>(i);
  }
  throw ConfigError("[search] expected valid_accuracy, valid_loss or train_loss as the metric, got `" +
                    std::string(name) + "`" + hint(name, kNames));
}

bool is_maximised(Objective objective) {
  return objective == Objective::ValidAccuracy || objective == Objective::HighestOwn;
}

std::optional<double> score(Objective objective, const EpochMetrics& metrics) {
  std::optional<double> value;
  switch (objective) {
    case Objective::ValidAccuracy:
      value = metrics.valid_accuracy;
      break;
    case Objective::ValidLoss:
      value = metrics.valid_loss;
      break;
    case Objective::TrainLoss:
      value = metrics.train_loss;
      break;
    case Objective::HighestOwn:
    case Objective::LowestOwn:
      if (!metrics.own.empty()) value = metrics.own.front();
      break;
  }
  if (!value || !std::isfinite(*value)) return std::nullopt;
  return is_maximised(objective) ? *value : -*value;
}

}  // namespace hop::hopper
