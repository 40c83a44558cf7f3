// TargetScaling and the metrics of numbers, judged by their formulas in f64 and by scikit-learn's examples.
#include "nn/output.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/copy.h"
#include "kernels/view.h"
#include "nn/loss.h"
#include "nn/metric.h"

namespace hop::nn {
namespace {

Tensor table(const std::vector<float>& values, std::int64_t columns) {
  return Tensor::from<float>(values, {static_cast<std::int64_t>(values.size()) / columns, columns});
}

std::vector<float> values_of(const Tensor& t) { return {t.data<float>(), t.data<float>() + t.numel()}; }

// As a trainer measures, in batches of two rows.
double measure(const char* name, const Tensor& answers, const Tensor& target) {
  const Metric metric = metric_by_name(name);
  std::vector<double> sums;
  for (std::int64_t row = 0; row < target.size(0); row += 2) {
    const std::int64_t end = std::min(row + 2, target.size(0));
    const Tensor part = kernels::cast(
        metric.sums(kernels::slice(answers, 0, row, end), kernels::slice(target, 0, row, end)), DType::f64);
    sums.resize(static_cast<std::size_t>(part.numel()));
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += part.data<double>()[i];
  }
  return metric.finish ? metric.finish(sums, target.size(0)) : sums[0] / static_cast<double>(target.size(0));
}

TEST(TargetScaling, GoesToTheLossAndBack) {
  const std::vector<data::TargetColumn> columns = {{"price", {100, 0.25}, 90, 110}, {"same", {7, 0}, 7, 7}};
  const TargetScaling scaling(Output::Standard, columns, Device::cpu());
  EXPECT_EQ(values_of(scaling.to_learn(table({104, 7, 90, 7}, 2))), (std::vector<float>{1, 0, -2.5F, 0}));
  EXPECT_EQ(values_of(scaling.answers(table({1, 3, -2.5F, 0}, 2))), (std::vector<float>{104, 7, 90, 7}))
      << "a column that does not vary has one answer";
  EXPECT_EQ(data::undo(columns[0].scale, -2.5), 90) << "the same in f64";
}

TEST(TargetScaling, ReadsRatesAndProbabilities) {
  const Tensor x = table({0, 1, -2}, 1);
  EXPECT_EQ(values_of(TargetScaling(Output::Plain, {}, Device::cpu()).answers(x)), values_of(x));
  const std::vector<float> rates = values_of(TargetScaling(Output::LogRate, {}, Device::cpu()).answers(x));
  const std::vector<float> shares = values_of(TargetScaling(Output::Logit, {}, Device::cpu()).answers(x));
  for (std::size_t i = 0; i < rates.size(); ++i) {
    EXPECT_NEAR(rates[i], std::exp(x.data<float>()[i]), 1e-6);
    EXPECT_NEAR(shares[i], 1 / (1 + std::exp(-x.data<float>()[i])), 1e-6);
  }
}

TEST(Losses, SayWhatAModelLearns) {
  for (const LossRow& loss : losses()) {
    const bool is_class = loss.name == "cross_entropy";
    EXPECT_EQ(target_kind(loss.output), is_class ? data::TargetKind::classes : data::TargetKind::numbers) << loss.name;
    for (const std::string& metric : default_metrics(loss.output)) {
      EXPECT_TRUE(measures(find_metric(metric), loss.output)) << loss.name << " " << metric;
    }
  }
  EXPECT_FALSE(measures(find_metric("accuracy"), Output::Standard));
  EXPECT_FALSE(measures(find_metric("rmse"), Output::Logit));
}

// The examples of scikit-learn's documentation of r2_score, mean_absolute_error and root_mean_squared_error.
TEST(MetricsOfNumbers, AreThoseOfScikitLearnsExamples) {
  const Tensor y = table({3, -0.5F, 2, 7}, 1), x = table({2.5F, 0, 2, 8}, 1);
  EXPECT_NEAR(measure("r2", x, y), 0.948608, 1e-6);
  EXPECT_NEAR(measure("mae", x, y), 0.5, 1e-12);
  EXPECT_NEAR(measure("rmse", x, y), std::sqrt(0.375), 1e-12);
  const Tensor two = table({0.5F, 1, -1, 1, 7, -6}, 2), told = table({0, 2, -1, 2, 8, -5}, 2);
  EXPECT_NEAR(measure("r2", told, two), 0.936800, 1e-6);
  EXPECT_NEAR(measure("mae", told, two), 0.75, 1e-12);
  EXPECT_NEAR(measure("rmse", told, two), (std::sqrt(1.25 / 3) + 1) / 2, 1e-12);
}

TEST(MetricsOfNumbers, SeeSmallDifferencesOfLargeNumbers) {
  const std::vector<float> large = {1e6F, 1e6F + 1, 1e6F + 2, 1e6F + 3};
  const std::vector<float> told = {1e6F, 1e6F + 1, 1e6F + 2, 1e6F + 2};
  EXPECT_NEAR(measure("r2", table(told, 1), table(large, 1)), 1 - 1.0 / 5, 1e-3);
  EXPECT_EQ(measure("mae", table(told, 1), table(large, 1)), 0.25);
}

TEST(MetricsOfNumbers, GiveAColumnWithoutVarianceNoCredit) {
  const Tensor same = table({0.1F, 0.1F, 0.1F}, 1);
  EXPECT_EQ(measure("r2", same, same), 1);
  EXPECT_EQ(measure("r2", table({0.1F, 0.2F, 0.1F}, 1), same), 0);
}

TEST(Accuracy, OfProbabilitiesWantsAllColumnsRight) {
  const Tensor y = table({1, 0, 1, 1, 0, 0}, 2), p = table({0.9F, 0.1F, 0.9F, 0.4F, 0.2F, 0.3F}, 2);
  EXPECT_NEAR(measure("accuracy", p, y), 2.0 / 3, 1e-12);
}

}  // namespace
}  // namespace hop::nn
