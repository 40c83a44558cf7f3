#include "cli/scores.h"

#include <algorithm>
#include <cstdio>
#include <functional>

#include "base/words.h"
#include "data/formats/csv_cells.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/index.h"

namespace hop::cli {
namespace {

constexpr double kLeast = 1e-15;             // as scikit-learn bounds a probability of 0
constexpr std::int64_t kMostInMatrix = 16;   // classes; more do not fit on a screen
constexpr std::size_t kMostConfusions = 10;  // of more classes, the most frequent ones

template <class... Values>
std::string formatted(const char* format, Values... values) {
  char text[256];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

Tensor tensor_of(const std::vector<std::int64_t>& values) {
  const Tensor tensor = Tensor::empty({static_cast<std::int64_t>(values.size())}, DType::i64);
  std::copy(values.begin(), values.end(), tensor.data<std::int64_t>());
  return tensor;
}

}  // namespace

Scores::Scores(const nn::Predictor& predictor) : target_(predictor.target()), places_(target_.class_names) {
  if (const auto& table = predictor.schema().table) {
    const auto is_weight = [](const data::TableColumn& column) { return column.kind == data::ColumnKind::weight; };
    has_weights_ = std::ranges::any_of(table->columns, is_weight);
  }
  for (const nn::MetricRow& row : nn::metrics()) {
    if (row.is_told && nn::measures(row, predictor.output())) metrics_.push_back(nn::metric_by_name(row.name));
  }
  sums_.resize(metrics_.size());
}

std::string Scores::class_name(std::int64_t index) const {
  return target_.class_names.empty() ? std::to_string(index) : target_.class_names[static_cast<std::size_t>(index)];
}

// The number of a class, or the number to predict; none for another text.
std::optional<double> Scores::value_of(std::string_view label) const {
  if (target_.kind == data::TargetKind::numbers) return data::number_in(label);
  const auto place = target_.class_names.empty() ? data::whole_number_in(label) : places_.find(label);
  const bool is_known = place && *place >= 0 && *place < target_.classes;
  return is_known ? std::optional(static_cast<double>(*place)) : std::nullopt;
}

void Scores::take(const std::vector<std::string_view>& labels) {
  std::vector<double>& row = taken_.emplace_back();
  if (std::ranges::any_of(labels,
                          [&](std::string_view label) { return data::is_missing(label) && !value_of(label); })) {
    ++unlabelled_;
    return;
  }
  for (const std::string_view label : labels) {
    if (const std::optional<double> value = value_of(label)) {
      row.push_back(*value);
      continue;
    }
    if (unknown_++ == 0) first_unknown_ = label;
    row.clear();
    return;
  }
}

void Scores::measure(const nn::Predictions& predictions) {
  std::vector<std::int64_t> rows;
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    if (!taken_[i].empty()) rows.push_back(static_cast<std::int64_t>(i));
  }
  if (!rows.empty()) {
    const Tensor answers = kernels::index_select(predictions.outputs, 0, tensor_of(rows));
    const bool are_classes = target_.kind == data::TargetKind::classes;
    const Tensor outputs = are_classes ? kernels::log(kernels::maximum(answers, kLeast)) : answers;  // scores again
    const Tensor labels = labels_of(rows);
    for (std::size_t i = 0; i < metrics_.size(); ++i) {
      const Tensor sums = kernels::contiguous(kernels::cast(metrics_[i].sums(outputs, labels), DType::f64));
      sums_[i].resize(static_cast<std::size_t>(sums.numel()));
      std::transform(sums_[i].begin(), sums_[i].end(), sums.data<double>(), sums_[i].begin(), std::plus<>());
    }
    rows_ += static_cast<std::int64_t>(rows.size());
    for (std::size_t i = 0; i < rows.size() && !predictions.classes.empty(); ++i) {
      const std::int64_t label = labels.data<std::int64_t>()[i];
      const auto row = static_cast<std::size_t>(rows[i]);
      ++confused_[{label, predictions.classes[row]}];
    }
  }
  taken_.clear();
}

// (N) i64 for classes, (N, k) f32 for numbers.
Tensor Scores::labels_of(const std::vector<std::int64_t>& rows) const {
  std::vector<std::int64_t> classes;
  const auto count = static_cast<std::int64_t>(rows.size());
  const Tensor numbers = Tensor::empty({count, static_cast<std::int64_t>(target_.columns.size())}, DType::f32);
  float* to = numbers.data<float>();
  for (const std::int64_t row : rows) {
    for (const double label : taken_[static_cast<std::size_t>(row)]) {
      if (target_.kind == data::TargetKind::classes)
        classes.push_back(static_cast<std::int64_t>(label));
      else
        *to++ = static_cast<float>(label);
    }
  }
  return target_.kind == data::TargetKind::classes ? tensor_of(classes) : numbers;
}

std::string Scores::text() const {
  std::string text;
  if (unknown_ > 0) {
    text += std::to_string(unknown_) + " rows have a label that the model does not know, the first \"" +
            printable(first_unknown_) + "\": not measured\n";
  }
  if (unlabelled_ > 0) text += std::to_string(unlabelled_) + " rows have no label: not measured\n";
  if (rows_ == 0) return text;
  const auto n = static_cast<double>(rows_);
  text += "of " + std::to_string(rows_) + " rows with labels" +
          (has_weights_ ? ", each counted once whatever its weight" : "") + ":\n";
  for (std::size_t i = 0; i < metrics_.size(); ++i) {
    const double value = metrics_[i].finish ? metrics_[i].finish(sums_[i], rows_) : sums_[i].front() / n;
    text += formatted("  %-17s %.6g\n", metrics_[i].name.c_str(), value);
  }
  if (target_.kind == data::TargetKind::numbers) return text;
  return text + confusion();
}

// Labels down, answers across. Of many classes, only the mistakes.
std::string Scores::confusion() const {
  if (target_.classes > kMostInMatrix) {
    std::vector<std::pair<std::int64_t, std::pair<std::int64_t, std::int64_t>>> mistakes;
    for (const auto& [pair, rows] : confused_) {
      if (pair.first != pair.second) mistakes.emplace_back(-rows, pair);
    }
    std::ranges::sort(mistakes);
    std::string text = mistakes.empty() ? "" : "most frequent mistakes:\n";
    for (std::size_t i = 0; i < std::min(mistakes.size(), kMostConfusions); ++i) {
      const auto& [rows, pair] = mistakes[i];
      text += "  " + printable(class_name(pair.first)) + " taken for " + printable(class_name(pair.second)) + ": " +
              std::to_string(-rows) + "\n";
    }
    return text;
  }
  std::size_t width = 5;
  for (std::int64_t c = 0; c < target_.classes; ++c) width = std::max(width, printable(class_name(c), 16).size());
  const auto cell = [&](const std::string& word) { return "  " + std::string(width - word.size(), ' ') + word; };
  std::string text = "confusion, labels down and answers across:\n" + cell("");
  for (std::int64_t c = 0; c < target_.classes; ++c) text += cell(printable(class_name(c), 16));
  text += "\n";
  for (std::int64_t label = 0; label < target_.classes; ++label) {
    text += cell(printable(class_name(label), 16));
    for (std::int64_t answer = 0; answer < target_.classes; ++answer) {
      const auto found = confused_.find({label, answer});
      text += cell(std::to_string(found == confused_.end() ? 0 : found->second));
    }
    text += "\n";
  }
  return text;
}

}  // namespace hop::cli
