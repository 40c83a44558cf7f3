// The meaning of "best": one metric and its direction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "hopper/metrics.h"

namespace hop::hopper {

/// The metric by which models are ranked, and its direction.
struct Objective {
  enum Kind : std::uint8_t {
    ValidAccuracy,  ///< maximised
    ValidLoss,      ///< minimised
    TrainLoss,      ///< minimised
    Own             ///< another metric of the experiment
  };
  Kind kind = ValidAccuracy;
  std::size_t place = 0;         ///< of an own metric in EpochMetrics::own
  bool higher_is_better = true;  ///< of an own metric
  std::string own_name = {};     ///< of an own metric, for people

  Objective(Kind measured = ValidAccuracy) : kind(measured) {}  // NOLINT: each kind but Own is an objective
  /// The metric at `place` among those beside the accuracy.
  static Objective own(bool higher_is_better, std::size_t place = 0, std::string name = {});
  /// Whether they rank alike.
  bool operator==(const Objective& other) const;
};

/// `valid_accuracy`, `valid_loss`, `train_loss`: what every run can be ranked by.
std::span<const std::string_view> objective_names();
/// The name; of an own metric without one `highest_own_K` or `lowest_own_K`, of place K, and no `_K` for the first one.
std::string to_string(const Objective& objective);
/// Reads what to_string writes; other names are not known here. Throws ConfigError that names the nearest of them.
Objective parse_objective(std::string_view name);

/// Whether the metric is better the higher it is.
bool is_maximised(const Objective& objective);
/// The metric; none if it is missing or not finite.
std::optional<double> measured(const Objective& objective, const EpochMetrics& metrics);
/// A score to be maximised: measured(), negated where less is better.
std::optional<double> score(const Objective& objective, const EpochMetrics& metrics);

}  // namespace hop::hopper
