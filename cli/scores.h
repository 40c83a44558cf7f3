// How good predictions are, where the rows have labels.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/class_places.h"
#include "nn/metric.h"
#include "nn/predictor.h"

namespace hop::cli {

/// Takes the labels row by row and the answers batch by batch. Memory does not follow the number of rows.
class Scores {
 public:
  explicit Scores(const nn::Predictor& predictor);
  /// The labels of the next row, one per target. A row without a label, or with one that the model does not know, is
  /// not measured. A word such as "none" or "?" is no label, unless the model has a class of this name.
  void take(const std::vector<std::string_view>& labels);
  /// The answers for the rows that were taken since the last call.
  void measure(const nn::Predictions& predictions);
  /// Lines for people: each metric, and the confusion matrix of classes. Empty if no row was measured.
  std::string text() const;

 private:
  std::optional<double> value_of(std::string_view label) const;
  Tensor labels_of(const std::vector<std::int64_t>& rows) const;
  std::string confusion() const;
  std::string class_name(std::int64_t index) const;

  data::Target target_;
  data::ClassPlaces places_;
  std::vector<nn::Metric> metrics_;
  std::vector<std::vector<double>> sums_;  // per metric
  bool has_weights_ = false;               // the training rows had
  std::int64_t rows_ = 0, unlabelled_ = 0, unknown_ = 0;
  std::string first_unknown_;
  std::vector<std::vector<double>> taken_;  // labels of the rows since the last measure(); empty: not measured
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> confused_;  // (label, answer) -> rows
};

}  // namespace hop::cli
