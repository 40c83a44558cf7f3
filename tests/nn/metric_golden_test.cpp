// Metrics of scores and probabilities, judged by scikit-learn 1.9 on rows that a formula gives:
//
//   i = np.arange(n)[:, None]; c = np.arange(C)[None, :]; s = np.sin(1 + 3 * i + 7 * c)
//   t = (np.arange(n) ** 2 + np.arange(n) // 7) % C; s[np.arange(n), t] += 0.3; s = s.astype(np.float32)
//   balanced_accuracy_score(t, s.argmax(1)); p = softmax(s); log_loss(t, p); top_k_accuracy_score(t, s, k=3)
//   roc_auc_score(t, p, multi_class="ovr"), of two classes roc_auc_score(t, p[:, 1])
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/view.h"
#include "nn/metric.h"

namespace hop::nn {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr std::int64_t kRows = 200;
constexpr double kAucOfProbabilities = 0.7065176381814752, kLogLossOfProbabilities = 1.049858034981821;

std::pair<Tensor, Tensor> rows_of(std::int64_t classes) {
  const Tensor scores = kernels::zeros({kRows, classes}), truth = kernels::zeros({kRows}, DType::i64);
  for (std::int64_t i = 0; i < kRows; ++i) {
    const std::int64_t t = (i * i + i / 7) % classes;
    truth.data<std::int64_t>()[i] = t;
    for (std::int64_t c = 0; c < classes; ++c) {
      const double score = std::sin(static_cast<double>(1 + 3 * i + 7 * c)) + (c == t ? 0.3 : 0);
      scores.data<float>()[i * classes + c] = static_cast<float>(score);
    }
  }
  return {scores, truth};
}

// As a trainer measures: the sums of the batches are added up, then finished.
double measure(std::string_view name, const Tensor& outputs, const Tensor& targets, std::int64_t batch = 64) {
  const Metric metric = metric_by_name(name);
  const std::int64_t n = outputs.size(0);
  std::vector<double> sums;
  for (std::int64_t begin = 0; begin < n; begin += batch) {
    const std::int64_t end = std::min(begin + batch, n);
    const Tensor part = kernels::cast(
        metric.sums(kernels::slice(outputs, 0, begin, end), kernels::slice(targets, 0, begin, end)), DType::f64);
    sums.resize(static_cast<std::size_t>(part.numel()));
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += part.data<double>()[i];
  }
  return metric.finish ? metric.finish(sums, n) : sums[0] / static_cast<double>(n);
}

struct Golden {
  std::int64_t classes;
  double balanced_accuracy, log_loss, auc, micro_f1;
};

class MetricsOfScores : public testing::TestWithParam<Golden> {};

TEST_P(MetricsOfScores, AreThoseOfScikitLearn) {
  const Golden& golden = GetParam();
  const auto [scores, truth] = rows_of(golden.classes);
  for (const std::int64_t batch : {std::int64_t{1}, std::int64_t{64}, kRows}) {
    EXPECT_NEAR(measure("balanced_accuracy", scores, truth, batch), golden.balanced_accuracy, 1e-12);
    EXPECT_NEAR(measure("log_loss", scores, truth, batch), golden.log_loss, 1e-6);
    EXPECT_NEAR(measure("perplexity", scores, truth, batch), std::exp(golden.log_loss), 1e-5);
    EXPECT_NEAR(measure("micro_f1", scores, truth, batch), golden.micro_f1, 1e-12);
    EXPECT_NEAR(measure("auc", scores, truth, batch), golden.auc, 2e-4) << "bins of 1/256";
  }
}

INSTANTIATE_TEST_SUITE_P(Classes, MetricsOfScores,
                         testing::Values(Golden{2, 0.6501427988576092, 0.5832578399056271, 0.7895756833945329, 0.65},
                                         Golden{3, 0.4491491183016607, 1.0160724444884264, 0.7346013400416423, 0.455},
                                         Golden{7, 0.26530612244897955, 1.9095385146707207, 0.6414515675429839, 0.265}),
                         [](const auto& golden) { return "Of" + std::to_string(golden.param.classes); });

TEST(TopAccuracy, IsThatOfScikitLearn) {
  const auto [scores, truth] = rows_of(7);
  EXPECT_NEAR(measure("top3_accuracy", scores, truth), 0.495, 1e-12);
  EXPECT_NEAR(measure("top5_accuracy", scores, truth), 0.81, 1e-12);
}

TEST(TopAccuracy, GivesNoCreditToWhatIsNoNumber) {
  const Tensor scores = kernels::full({4, 2}, std::numeric_limits<double>::quiet_NaN());
  const Tensor truth = kernels::zeros({4}, DType::i64);
  EXPECT_EQ(measure("top3_accuracy", scores, truth), 0);
}

// y = (i * i + i // 7) % 3 == 0; p = 1 / (1 + exp(-4 sin(1 + 3 i) - 1.5 y)) as f32, of 300 rows: roc_auc_score(y, p)
// and log_loss(y, p).
TEST(MetricsOfProbabilities, AreThoseOfScikitLearn) {
  const Tensor p = kernels::zeros({300, 1}), y = kernels::zeros({300, 1});
  for (std::int64_t i = 0; i < 300; ++i) {
    const bool is_positive = (i * i + i / 7) % 3 == 0;
    const double odds = std::sin(static_cast<double>(1 + 3 * i)) * 4 + (is_positive ? 1.5 : 0);
    p.data<float>()[i] = static_cast<float>(1 / (1 + std::exp(-odds)));
    y.data<float>()[i] = is_positive ? 1 : 0;
  }
  EXPECT_NEAR(measure("auc", p, y), kAucOfProbabilities, 2e-4);
  EXPECT_NEAR(measure("log_loss", p, y), kLogLossOfProbabilities, 1e-6);
  const std::vector<Tensor> both_p = {p, p}, both_y = {y, y};
  EXPECT_NEAR(measure("auc", kernels::cat(both_p, 1), kernels::cat(both_y, 1)), kAucOfProbabilities, 2e-4);
}

TEST(Auc, OfCertainAnswersCountsTiesHalf) {
  const Tensor p = kernels::zeros({4, 1}), y = kernels::zeros({4, 1});
  const float told[] = {1, 1, 0, 0}, truth[] = {1, 0, 1, 0};
  std::copy(told, told + 4, p.data<float>());
  std::copy(truth, truth + 4, y.data<float>());
  EXPECT_EQ(measure("auc", p, y), 0.5);
  EXPECT_EQ(measure("auc", y, y), 1);
}

TEST(Auc, IsNoNumberWhereOneClassIsMissing) {
  EXPECT_TRUE(std::isnan(measure("auc", kernels::full({3, 1}, 0.5), kernels::zeros({3, 1}))));
  // Class 2 has no rows: the mean of the others.
  auto [scores, truth] = rows_of(3);
  for (std::int64_t i = 0; i < kRows; ++i) truth.data<std::int64_t>()[i] %= 2;
  EXPECT_FALSE(std::isnan(measure("auc", scores, truth)));
  EXPECT_FALSE(std::isnan(measure("balanced_accuracy", scores, truth)));
}

TEST(Auc, RefusesMoreClassesThanItHasRoomFor) {
  const Tensor scores = kernels::zeros({3, 65}), truth = kernels::zeros({3}, DType::i64);
  EXPECT_THAT([&] { measure("auc", scores, truth); }, ThrowsMessage<ConfigError>(HasSubstr("at most 64 classes")));
}

TEST(Auc, TakesAnswersThatAreNoNumbersForTheLowest) {
  const Tensor scores = kernels::full({2, 2}, std::numeric_limits<double>::quiet_NaN());
  const Tensor truth = kernels::arange(2);
  EXPECT_EQ(measure("auc", scores, truth), 0.5);
}

}  // namespace
}  // namespace hop::nn
