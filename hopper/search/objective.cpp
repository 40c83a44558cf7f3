#include "hopper/search/objective.h"

#include <array>
#include <cmath>
#include <string>

#include "base/error.h"
#include "base/words.h"

namespace hop::hopper {

Objective parse_objective(std::string_view name) {
  static const std::array<std::string, 3> kNames = {"valid_accuracy", "valid_loss", "train_loss"};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<Objective>(i);
  }
  throw ConfigError("[search] expected valid_accuracy, valid_loss or train_loss as the metric, got `" +
                    std::string(name) + "`" + hint(name, kNames));
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
  }
  if (!value || !std::isfinite(*value)) return std::nullopt;
  return objective == Objective::ValidAccuracy ? *value : -*value;
}

}  // namespace hop::hopper
