// The meaning of "best": one metric and its direction.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "hopper/metrics.h"

namespace hop::hopper {

/// The metric by which models are ranked. Accuracy is maximised, losses are minimised.
enum class Objective : std::uint8_t {
  ValidAccuracy,
  ValidLoss,
  TrainLoss,
  HighestOwn,  ///< the first metric beside the accuracy (UnitMetrics::own), the higher the better
  LowestOwn    ///< the same, the lower the better
};

/// The names of all objectives, in the order of their values.
std::span<const std::string_view> objective_names();
std::string to_string(Objective objective);
/// `valid_accuracy`, `valid_loss`, `train_loss`, `highest_own` or `lowest_own`. Throws ConfigError that names the
/// nearest of them.
Objective parse_objective(std::string_view name);

/// HighestOwn or LowestOwn.
constexpr Objective own_objective(bool higher_is_better) {
  return higher_is_better ? Objective::HighestOwn : Objective::LowestOwn;
}
/// True if a higher value of the metric is better.
bool is_maximised(Objective objective);
/// A score to be maximised (losses are negated); none if the metric is missing or not finite.
std::optional<double> score(Objective objective, const EpochMetrics& metrics);

}  // namespace hop::hopper
