// Metrics: numbers that are measured on the validation set. The metrics that ship with Hopscotch are one table.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nn/output.h"
#include "tensor/tensor.h"

namespace hop::nn {

/// A number that is measured on the validation set, batch by batch. The answers are the outputs of the model, (N, C),
/// and the target is (N) i64 where labels are classes. Otherwise both are (N, k): numbers as they stand in the file,
/// rates for the loss poisson_nll, probabilities for bce (TargetScaling::answers).
struct Metric {
  std::string name{};            ///< as in results.json; letters, digits and "_"
  bool higher_is_better = true;  ///< the direction in which models are ranked
  /// (answers of the model, target) of one batch -> sums over its rows, () or (k), of any dtype. The sums of all
  /// batches are added up in f64. It computes with operations alone: the step is recorded once and replayed.
  std::function<Tensor(const Tensor& output, const Tensor& target)> sums{};
  /// (the sums of the whole set, its rows) -> the value. Default: the first sum divided by the rows, a mean.
  std::function<double(std::span<const double> sums, std::int64_t rows)> finish{};
  /// The same sums where rows have weights, (N) f64: a row of weight 2 adds what two rows add. Over the whole set the
  /// weights add up to the number of rows, so `finish` is the same. Empty: refused for data with weights.
  std::function<Tensor(const Tensor& output, const Tensor& target, const Tensor& weights)> weighted_sums{};
};

/// A metric that ships with Hopscotch.
struct MetricRow {
  std::string_view name{};
  bool higher_is_better = true;
  std::span<const Output> outputs{};  ///< what it can measure
  /// As weighted_sums of Metric; without weights (undefined) as sums.
  Tensor (*sums)(const Tensor& output, const Tensor& target, const Tensor& weights) = nullptr;
  double (*finish)(std::span<const double> sums, std::int64_t rows) = nullptr;  ///< as in Metric
  std::string_view doc{};                                                       ///< one line
  bool is_told = true;  ///< `hop predict` tells it of rows with labels
};

/// All of them: the one list of metrics.
std::span<const MetricRow> metrics();
/// Whether a metric can measure such outputs.
bool measures(const MetricRow& metric, Output output);
/// The names of the metrics that a run measures if nobody says any.
std::vector<std::string> default_metrics(Output output);
/// The row of a name. Throws ConfigError that names the nearest one.
const MetricRow& find_metric(std::string_view name);
/// The metric of a name. Throws ConfigError that names the nearest one.
Metric metric_by_name(std::string_view name);

}  // namespace hop::nn
