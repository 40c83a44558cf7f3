// What "best" means: one metric and its direction.
#pragma once

#include <optional>
#include <string_view>

#include "hopper/metrics.h"

namespace hop::hopper {

/// The metric by which models are ranked. Accuracy is maximised, losses are minimised.
enum class Objective : std::uint8_t { ValidAccuracy, ValidLoss, TrainLoss };

/// `valid_accuracy`, `valid_loss` or `train_loss`. Throws ConfigError that names the nearest of them.
Objective parse_objective(std::string_view name);

/// A score to be maximised (losses are negated); none when the metric is missing or not finite.
std::optional<double> score(Objective objective, const EpochMetrics& metrics);

}  // namespace hop::hopper
