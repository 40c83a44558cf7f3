// Metrics of rows with weights. Judged by numbers worked out by hand from scikit-learn's definitions of sample_weight,
// and by rows that stand in the set as often as their weight says.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/copy.h"
#include "kernels/index.h"
#include "kernels/view.h"
#include "nn/metric.h"

namespace hop::nn {
namespace {

using Weights = std::vector<double>;

struct Rows {
  Tensor outputs, targets;
};

// As a trainer measures: the weights of the whole set add up to its rows. Without weights each row counts once.
double measure(std::string_view name, const Rows& rows, const Weights& weights = {}, std::int64_t batch = 4) {
  const Metric metric = metric_by_name(name);
  const std::int64_t n = rows.outputs.size(0);
  Tensor scaled;
  if (!weights.empty()) {
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    scaled = Tensor::empty({n}, DType::f64);
    for (std::int64_t i = 0; i < n; ++i) {
      scaled.data<double>()[i] = weights[static_cast<std::size_t>(i)] * static_cast<double>(n) / total;
    }
  }
  std::vector<double> sums;
  for (std::int64_t begin = 0; begin < n; begin += batch) {
    const auto part = [&](const Tensor& all) { return kernels::slice(all, 0, begin, std::min(begin + batch, n)); };
    const Tensor outputs = part(rows.outputs), targets = part(rows.targets);
    const Tensor some = kernels::cast(
        weights.empty() ? metric.sums(outputs, targets) : metric.weighted_sums(outputs, targets, part(scaled)),
        DType::f64);
    sums.resize(static_cast<std::size_t>(some.numel()));
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += some.data<double>()[i];
  }
  return metric.finish ? metric.finish(sums, n) : sums[0] / static_cast<double>(n);
}

Tensor f32(const std::vector<float>& values, const Shape& shape) { return Tensor::from<float>(values, shape); }

// Rows that such outputs may have: some are right, some wrong.
Rows rows_for(Output output) {
  constexpr std::int64_t kRows = 23, kClasses = 7, kColumns = 2;
  const bool is_scores = output == Output::Scores;
  const std::int64_t width = is_scores ? kClasses : kColumns;
  Rows rows{kernels::zeros({kRows, width}),
            is_scores ? kernels::zeros({kRows}, DType::i64) : kernels::zeros({kRows, width})};
  for (std::int64_t i = 0; i < kRows; ++i) {
    if (is_scores) rows.targets.data<std::int64_t>()[i] = (i * i + i / 7) % kClasses;
    for (std::int64_t c = 0; c < width; ++c) {
      const double wave = std::sin(static_cast<double>(1 + 3 * i + 7 * c));
      const bool is_probability = output == Output::Logit;
      float& answer = rows.outputs.data<float>()[i * width + c];
      answer = static_cast<float>(is_probability ? 0.5 + 0.45 * wave : wave);
      if (is_scores) continue;
      const bool is_true = (i + c) % 3 == 0;
      rows.targets.data<float>()[i * width + c] =
          is_probability ? (is_true ? 1.0F : 0.0F) : static_cast<float>(wave + 0.25 * std::cos(static_cast<double>(i)));
    }
  }
  return rows;
}

TEST(WeightedMetrics, CountARowAsOftenAsItsWeightSays) {
  for (const MetricRow& metric : metrics()) {
    for (const Output output : metric.outputs) {
      const Rows rows = rows_for(output);
      Weights weights;
      std::vector<std::int64_t> index;
      for (std::int64_t i = 0; i < rows.outputs.size(0); ++i) {
        weights.push_back(static_cast<double>((i * 5 + 1) % 4));
        index.insert(index.end(), static_cast<std::size_t>(weights.back()), i);
      }
      const Tensor repeated = Tensor::from<std::int64_t>(index, {static_cast<std::int64_t>(index.size())});
      const Rows twins{kernels::index_select(rows.outputs, 0, repeated),
                       kernels::index_select(rows.targets, 0, repeated)};
      const double expected = measure(metric.name, twins);
      EXPECT_TRUE(std::isfinite(expected)) << metric.name;
      EXPECT_NE(expected, measure(metric.name, rows)) << metric.name << ": the weights make a difference";
      for (const std::int64_t batch : {1, 4, 100}) {
        EXPECT_NEAR(measure(metric.name, rows, weights, batch), expected, 1e-10) << metric.name;
      }
      for (double& weight : weights) weight *= 0.125;
      EXPECT_NEAR(measure(metric.name, rows, weights), expected, 1e-10) << metric.name << ": their unit does not count";
      EXPECT_NEAR(measure(metric.name, rows, Weights(weights.size(), 3)), measure(metric.name, rows), 1e-10)
          << metric.name;
    }
  }
}

// scikit-learn 1.9 with sample_weight = ((np.arange(23) * 5 + 1) % 4) * 0.75 + 0.1 on the rows of rows_for(), whose
// largest score is what a row is told.
TEST(WeightedMetrics, AreThoseOfScikitLearn) {
  Weights weights;
  for (int i = 0; i < 23; ++i) weights.push_back(((i * 5 + 1) % 4) * 0.75 + 0.1);
  const Rows scores = rows_for(Output::Scores), numbers = rows_for(Output::Standard);
  EXPECT_NEAR(measure("accuracy", scores, weights), 0.21843003412969275, 1e-12);
  EXPECT_NEAR(measure("balanced_accuracy", scores, weights), 0.14213149522799576, 1e-12);
  EXPECT_NEAR(measure("macro_f1", scores, weights), 0.1739396945211287, 1e-12);
  EXPECT_NEAR(measure("top3_accuracy", scores, weights), 0.51706484641638206, 1e-12);
  EXPECT_NEAR(measure("log_loss", scores, weights), 1.9915325331898213, 1e-6);
  EXPECT_NEAR(measure("auc", scores, weights), 0.59678720343951308, 5e-4) << "bins of 1/256";
  EXPECT_NEAR(measure("mae", numbers, weights), 0.15982032850994571, 1e-6);
  EXPECT_NEAR(measure("rmse", numbers, weights), 0.17621472134413407, 1e-6);
  EXPECT_NEAR(measure("r2", numbers, weights), 0.94334009306296507, 1e-6);
}

TEST(WeightedMetrics, OfNumbersAreThoseOfTheDefinition) {
  const Rows rows{f32({1, 2}, {2, 1}), f32({0, 4}, {2, 1})};  // errors 1 and -2
  const Weights weights = {3, 1};
  EXPECT_DOUBLE_EQ(measure("mae", rows, weights), (3 * 1 + 1 * 2) / 4.0);
  EXPECT_DOUBLE_EQ(measure("rmse", rows, weights), std::sqrt((3 * 1 + 1 * 4) / 4.0));
  // The weighted mean of the targets is 1: their squares about it add up to 3 * 1 + 1 * 9.
  EXPECT_NEAR(measure("r2", rows, weights), 1 - 7.0 / 12, 1e-14);
}

TEST(WeightedMetrics, OfClassesAreThoseOfTheDefinition) {
  // Told: 1, 0, 1, 1. True: 1, 1, 0, 1.
  const Rows rows{f32({0, 1, 2, 0, 0, 3, 0, 0.5}, {4, 2}), Tensor::from<std::int64_t>({1, 1, 0, 1}, {4})};
  const Weights weights = {1, 2, 3, 0.5};
  EXPECT_NEAR(measure("accuracy", rows, weights), 1.5 / 6.5, 1e-15);
  EXPECT_NEAR(measure("balanced_accuracy", rows, weights), (0 / 3.0 + 1.5 / 3.5) / 2, 1e-15);
  // Class 1: 1.5 right of 3.5, told for 1 + 3 + 0.5.
  EXPECT_NEAR(measure("macro_f1", rows, weights), (0 + 2 * 1.5 / (3.5 + 4.5)) / 2, 1e-15);
  // The positives have odds of 1, -2 and 0.5, the negative 3.
  EXPECT_EQ(measure("auc", rows, weights), 0);
  const auto loss = [](double odds) { return std::log1p(std::exp(-odds)); };
  const double expected = (loss(1) + 2 * loss(-2) + 3 * loss(-3) + 0.5 * loss(0.5)) / 6.5;
  EXPECT_NEAR(measure("log_loss", rows, weights), expected, 1e-6);
  EXPECT_NEAR(measure("perplexity", rows, weights), std::exp(expected), 1e-5);
}

}  // namespace
}  // namespace hop::nn
