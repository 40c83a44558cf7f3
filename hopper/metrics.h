// Measurements of a worker while it trained, per unit and summed per epoch.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

namespace hop::hopper {

/// One unit of one model: all its passes together. (Everything that crosses the wire or stands in the journal names its
/// fields in `describe`, in the order of storage: a new field goes to the end.)
struct UnitMetrics {
  double train_loss = 0;   ///< mean over the rows (by their weights, if they have some), before each update
  std::uint64_t rows = 0;  ///< rows trained on: all rows of its partitions, or fewer if a hopeless loss ended it
  double seconds = 0;      ///< training (and validation), without waiting for bytes
  std::optional<double> valid_loss{};      ///< last unit of an epoch only
  std::optional<double> valid_accuracy{};  ///< in [0, 1]; classification only
  std::uint64_t state_bytes = 0;           ///< size of the new state
  /// Bytes of the parent state that crossed the network for this unit; of a group, to all of its members.
  std::uint64_t received_bytes = 0;
  /// The cost of a hop: from the moment when the worker is free and has the order, until the unit's first step. -1 for
  /// a worker's first unit.
  double gap_seconds = 0;
  /// The time before the gap in which the worker was free and had no order. 0 if the order came while it still trained;
  /// -1 for a worker's first unit.
  double idle_seconds = 0;
  std::uint64_t peak_rss_bytes = 0;  ///< of the worker's process, so far
  std::vector<double> own{};       ///< the metrics beside the accuracy, in the order of model.metrics; with valid_loss
  std::optional<double> weight{};  ///< the sum of the weights of its rows; none where rows have no weights
  /// With replicas: the bytes that each of them shared with the others, over all steps; with PushGradients the mean of
  /// the gradients that each pushed. None without replicas.
  std::optional<std::uint64_t> shared_bytes{};
  /// Of a group: the bytes that its members sent to each other while they trained, all together. None without a group.
  std::optional<std::uint64_t> exchange_bytes{};
  /// With Replicas::PushGradients: the replicas in the order in which their gradients were applied (encode_arrivals).
  std::vector<std::uint8_t> arrivals{};
  /// With synchronised BatchNorm layers: the bytes that one replica tells each other member in the middle of steps,
  /// over all steps, and how often the replicas meet for them. In a step, a layer of C channels has 8 (2 C + 1) bytes
  /// and a meeting forward; if its input needs a gradient, also 16 C bytes and a meeting backward. None without such
  /// layers.
  std::optional<std::uint64_t> statistics_bytes{};
  std::optional<std::uint64_t> statistics_rounds{};
  /// Of rows that lie on other nodes: the bytes of the partitions that crossed the network for the unit, and how long
  /// it stood still for them. None where all rows lie on the worker's node.
  std::optional<std::uint64_t> data_bytes{};
  std::optional<double> data_seconds{};
  bool operator==(const UnitMetrics&) const = default;

  static void describe(auto& m, auto&& field) {
    field("train_loss", m.train_loss);
    field("rows", m.rows);
    field("seconds", m.seconds);
    field("valid_loss", m.valid_loss);
    field("valid_accuracy", m.valid_accuracy);
    field("state_bytes", m.state_bytes);
    field("received_bytes", m.received_bytes);
    field("gap_seconds", m.gap_seconds);
    field("peak_rss_bytes", m.peak_rss_bytes);
    field("idle_seconds", m.idle_seconds);
    field("own", m.own);
    field("weight", m.weight);
    field("shared_bytes", m.shared_bytes);
    field("exchange_bytes", m.exchange_bytes);
    field("arrivals", m.arrivals);
    field("statistics_bytes", m.statistics_bytes);
    field("statistics_rounds", m.statistics_rounds);
    field("data_bytes", m.data_bytes);
    field("data_seconds", m.data_seconds);
  }
};

/// One epoch of one model: its units together. A search is told these metrics.
struct EpochMetrics {
  double train_loss = 0;  ///< mean over all rows of the epoch; +infinity when the model dropped out
  std::uint64_t rows = 0;
  double seconds = 0;  ///< sum over the units
  std::optional<double> valid_loss{};
  std::optional<double> valid_accuracy{};
  std::vector<double> own{};       ///< the metrics beside the accuracy, in the order of model.metrics
  std::optional<double> weight{};  ///< the sum of the weights of its rows; none where rows have no weights
  /// UnitMetrics of the same names, summed over the units; 0 where units have none. A unit that was trained again
  /// counts once.
  std::uint64_t shared_bytes = 0, statistics_bytes = 0, statistics_rounds = 0;
  bool operator==(const EpochMetrics&) const = default;
};

/// Adds the rows of `part` to those of `all`: the mean loss, the rows and their weight. A lost loss of `part` (NaN,
/// infinite) becomes the mean.
inline void add_rows(auto& all, const UnitMetrics& part) {
  const double n = all.weight.value_or(static_cast<double>(all.rows));
  const double m = part.weight.value_or(static_cast<double>(part.rows));
  const bool is_part = n == 0 || !std::isfinite(part.train_loss);
  all.train_loss = is_part ? part.train_loss : (all.train_loss * n + part.train_loss * m) / (n + m);
  all.rows += part.rows;
  if (part.weight) all.weight = all.weight.value_or(0) + *part.weight;
}

}  // namespace hop::hopper
