#include "nn/metric.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/table.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/index.h"
#include "kernels/reduce.h"

namespace hop::nn {
namespace {

Tensor over(std::int64_t dim, const Tensor& x) { return kernels::sum(x, std::span(&dim, 1)); }

// output (N, C), target (N) i64 -> (); probabilities (N, k), target (N, k) -> (): rows with all columns right
Tensor hits(const Tensor& output, const Tensor& target) {
  if (target.dtype() == DType::i64) return kernels::sum(kernels::eq(kernels::argmax(output, -1), target));
  const Tensor is_wrong = kernels::ne(kernels::gt(output, 0.5), kernels::gt(target, 0.5));
  return kernels::sum(kernels::eq(over(1, is_wrong), 0));
}

// output (N, C), target (N) i64 -> (3 C): per class the rows of the class, the rows that the model assigns to it, and
// the hits
Tensor counts_by_class(const Tensor& output, const Tensor& target) {
  const Shape classes = {output.size(-1)};
  const Tensor told = kernels::argmax(output, -1);
  const Tensor one = kernels::ones(target.shape(), DType::f32, target.device());
  const Tensor hit = kernels::cast(kernels::eq(told, target), DType::f32);
  const std::array counts = {kernels::index_add(classes, 0, target, one), kernels::index_add(classes, 0, told, one),
                             kernels::index_add(classes, 0, target, hit)};
  return kernels::cat(counts, 0);
}

// The F1 of a class is 2 hits / (rows + assigned), or 0 if the class has no rows and none are assigned to it.
double mean_f1(std::span<const double> counts, std::int64_t) {
  const std::size_t classes = counts.size() / 3;
  double sum = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    const double rows = counts[c], told = counts[classes + c], hits = counts[2 * classes + c];
    if (rows + told > 0) sum += 2 * hits / (rows + told);
  }
  return sum / static_cast<double>(classes);
}

// ---- numbers (N, k): computed in f64, the mean over the columns

Tensor error(const Tensor& answer, const Tensor& target) {
  return kernels::sub(kernels::cast(answer, DType::f64), kernels::cast(target, DType::f64));
}

Tensor absolute_errors(const Tensor& answer, const Tensor& target) {
  return over(0, kernels::abs(error(answer, target)));
}

Tensor squared_errors(const Tensor& answer, const Tensor& target) {
  return over(0, kernels::square(error(answer, target)));
}

// -> (3 k): per column the squared errors, the numbers, and their squares
Tensor errors_and_moments(const Tensor& answer, const Tensor& target) {
  const Tensor y = kernels::cast(target, DType::f64);
  const std::array parts = {squared_errors(answer, target), over(0, y), over(0, kernels::square(y))};
  return kernels::cat(parts, 0);
}

double mean_error(std::span<const double> sums, std::int64_t rows) {
  return std::accumulate(sums.begin(), sums.end(), 0.0) / static_cast<double>(rows) / static_cast<double>(sums.size());
}

double mean_root(std::span<const double> sums, std::int64_t rows) {
  double sum = 0;
  for (const double squares : sums) sum += std::sqrt(squares / static_cast<double>(rows));
  return sum / static_cast<double>(sums.size());
}

// Of a column without variance, which sums of squares show up to their rounding: 1 if it is met, otherwise 0.
double mean_r2(std::span<const double> sums, std::int64_t rows) {
  constexpr double kRounding = 1e-14;
  const std::size_t columns = sums.size() / 3;
  double sum = 0;
  for (std::size_t c = 0; c < columns; ++c) {
    const double errors = sums[c], y = sums[columns + c], squares = sums[2 * columns + c];
    const double variance = squares - y * y / static_cast<double>(rows);
    if (variance > kRounding * squares)
      sum += 1 - errors / variance;
    else if (errors == 0)
      sum += 1;
  }
  return sum / static_cast<double>(columns);
}

// ---- the table

constexpr std::array kOfScores = {Output::Scores};
constexpr std::array kOfChoices = {Output::Scores, Output::Logit};
constexpr std::array kOfNumbers = {Output::Standard, Output::LogRate, Output::Plain};

constexpr std::array kMetrics = {
    MetricRow{"accuracy", true, kOfChoices, hits, nullptr,
              "The share of rows whose largest output is the one of their class. With loss = \"bce\" the share of rows "
              "whose probabilities are all on the right side of 0.5."},
    MetricRow{
        "macro_f1", true, kOfScores, counts_by_class, mean_f1,
        "The mean of F1 over all classes of the model: scikit-learn's f1_score with average=\"macro\", labels = all "
        "classes, zero_division=0. A class without a row and without a prediction counts 0."},
    MetricRow{"rmse", false, kOfNumbers, squared_errors, mean_root,
              "The root of the mean squared error, in the unit of the label. Of several columns the mean."},
    MetricRow{"mae", false, kOfNumbers, absolute_errors, mean_error,
              "The mean absolute error, in the unit of the label. Of several columns the mean."},
    MetricRow{
        "r2", true, kOfNumbers, errors_and_moments, mean_r2,
        "The coefficient of determination: 1 for right numbers, 0 for the mean of the validation rows. Of several "
        "columns the mean: scikit-learn's r2_score."},
};

}  // namespace

std::span<const MetricRow> metrics() { return kMetrics; }

const MetricRow& find_metric(std::string_view name) { return find_row(metrics(), name, "[metric]"); }

bool measures(const MetricRow& metric, Output output) {
  return std::ranges::find(metric.outputs, output) != metric.outputs.end();
}

std::vector<std::string> default_metrics(Output output) {
  if (output == Output::Scores || output == Output::Logit) return {"accuracy"};
  return {"rmse", "mae", "r2"};
}

Metric metric_by_name(std::string_view name) {
  const MetricRow& row = find_metric(name);
  return {std::string(row.name), row.higher_is_better, row.sums, row.finish};
}

}  // namespace hop::nn
