// Metrics. Macro F1 is judged by the example of scikit-learn's documentation, and by precision and recall of each
// class, which are computed another way here.
#include "nn/metric.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/view.h"

namespace hop::nn {
namespace {

struct Rows {
  std::int64_t classes;
  std::vector<std::int64_t> truth, told;
};

// The mean over the classes of 2 P R / (P + R), where precision, recall and F1 are 0 if they would divide by 0.
double mean_f1_of(const Rows& rows) {
  const auto share = [](double part, double whole) { return whole == 0 ? 0 : part / whole; };
  double sum = 0;
  for (std::int64_t c = 0; c < rows.classes; ++c) {
    double right = 0, wrong = 0, missed = 0;
    for (std::size_t i = 0; i < rows.truth.size(); ++i) {
      if (rows.told[i] == c) ++(rows.truth[i] == c ? right : wrong);
      if (rows.told[i] != c && rows.truth[i] == c) ++missed;
    }
    const double precision = share(right, right + wrong), recall = share(right, right + missed);
    sum += share(2 * precision * recall, precision + recall);
  }
  return sum / static_cast<double>(rows.classes);
}

// Outputs whose largest number stands at the class that is told.
Tensor outputs_of(const Rows& rows) {
  const auto n = static_cast<std::int64_t>(rows.told.size());
  const Tensor outputs = kernels::full({n, rows.classes}, -1.0);
  for (std::int64_t i = 0; i < n; ++i) {
    outputs.data<float>()[i * rows.classes + rows.told[static_cast<std::size_t>(i)]] =
        0.25F * static_cast<float>(i % 7);
  }
  return outputs;
}
Tensor targets_of(const Rows& rows) {
  const Tensor targets = kernels::zeros({static_cast<std::int64_t>(rows.truth.size())}, DType::i64);
  std::copy(rows.truth.begin(), rows.truth.end(), targets.data<std::int64_t>());
  return targets;
}

// As a trainer measures: the sums of the batches are added up, then finished.
double measure(const Metric& metric, const Rows& rows, std::int64_t batch) {
  const Tensor outputs = outputs_of(rows), targets = targets_of(rows);
  const std::int64_t n = targets.size(0);
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

Rows random_rows(std::uint32_t seed, std::int64_t classes, std::size_t n) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<std::int64_t> any(0, classes - 1);
  Rows rows{classes, {}, {}};
  for (std::size_t i = 0; i < n; ++i) {
    rows.truth.push_back(any(random));
    rows.told.push_back(random() % 3 != 0 ? rows.truth.back() : any(random));
  }
  return rows;
}

TEST(MacroF1, IsThatOfScikitLearnsExample) {
  const Rows rows{3, {0, 1, 2, 0, 1, 2}, {0, 2, 1, 0, 0, 1}};
  EXPECT_NEAR(measure(metric_by_name("macro_f1"), rows, 6), 0.26666666666666666, 1e-15);
}

TEST(MacroF1, IsTheMeanOfPrecisionAndRecallForAnyBatchSize) {
  const Metric metric = metric_by_name("macro_f1");
  for (const std::int64_t classes : {2, 5, 40}) {
    const Rows rows = random_rows(static_cast<std::uint32_t>(classes), classes, 101);
    const double whole = measure(metric, rows, 101);
    EXPECT_NEAR(whole, mean_f1_of(rows), 1e-15) << classes;
    for (const std::int64_t batch : {1, 3, 64, 100}) EXPECT_EQ(measure(metric, rows, batch), whole) << batch;
  }
}

TEST(MacroF1, CountsAClassThatIsNeitherThereNorToldAsZero) {
  const Rows rows{4, {0, 1, 1}, {0, 1, 1}};
  EXPECT_EQ(measure(metric_by_name("macro_f1"), rows, 3), 0.5);
}

TEST(MacroF1, KeepsThreeNumbersPerClassWhateverTheRows) {
  const Rows rows = random_rows(1, 10, 1000);
  EXPECT_EQ(metric_by_name("macro_f1").sums(outputs_of(rows), targets_of(rows)).shape(), Shape({30}));
}

TEST(Metric, NamesItselfForAClassThatTheOutputsDoNotHave) {
  const Tensor outputs = kernels::ones({1, 3}, DType::f32), target = kernels::full({1}, 3, DType::i64);
  for (const char* name : {"top3_accuracy", "balanced_accuracy", "macro_f1", "log_loss"}) {
    try {
      find_metric(name).sums(outputs, target, {});
      ADD_FAILURE() << name << ": no error";
    } catch (const IndexError& e) {
      EXPECT_EQ(std::string(e.what()), "[metric] expected indices in 0..2, got 3 (at position 0)") << name;
    }
  }
}

TEST(Accuracy, IsTheShareOfHits) {
  EXPECT_DOUBLE_EQ(measure(metric_by_name("accuracy"), {3, {0, 1, 2, 0, 1, 2}, {0, 2, 1, 0, 0, 1}}, 4), 2.0 / 6);
}

}  // namespace
}  // namespace hop::nn
