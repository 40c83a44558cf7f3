// Runs on rows with weights. Judged by runs on the same rows without weights, in which each row stands as often as its
// weight says, and by the bits of other ways to the same states.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "base/error.h"
#include "hopper/run.h"
#include "tests/hopper/hashes.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

struct Row {
  int label;
  double a, b;
  int weight;
};

// Three classes that two numbers tell in part, and weights 0 to 3.
std::vector<Row> rows_of(int count, int first) {
  std::vector<Row> rows;
  for (int i = first; i < first + count; ++i) {
    const int label = (i * i + i / 5) % 3;
    rows.push_back({label, std::sin(1.0 + 3 * i) + label, std::cos(2.0 * i) - label, (i * 5 + 1) % 4});
  }
  return rows;
}

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

std::string line_of(const Row& row) {
  return std::to_string(row.label) + "," + std::to_string(row.a) + "," + std::to_string(row.b);
}

std::string with_weights(const std::vector<Row>& rows) {
  std::string text = "y,a,b,w\n";
  for (const Row& row : rows) text += line_of(row) + "," + std::to_string(row.weight) + "\n";
  return text;
}

// Each row as often as its weight says.
std::string repeated(const std::vector<Row>& rows) {
  std::string text = "y,a,b\n";
  for (const Row& row : rows) {
    for (int i = 0; i < row.weight; ++i) text += line_of(row) + "\n";
  }
  return text;
}

class WeightedRun : public testing::Test {
 protected:
  // Scales are fitted to all rows, whatever their weight, so features stay as they are.
  Experiment experiment(const std::string& name, const std::string& train, const std::string& test, bool has_weights) {
    write(folder_ / name / "train.csv", train);
    write(folder_ / name / "test.csv", test);
    Experiment e;
    e.seed = 5;
    e.data.source = (folder_ / name).string();
    e.data.label = std::string("y");
    e.data.columns = {{"a", "none"}, {"b", "none"}};
    if (has_weights) e.data.columns.emplace("w", "weight");
    e.data.validation = data::Validation::file();
    e.data.partitions = 1;
    e.model.layers = {"linear $outputs"};
    e.model.metrics = {"accuracy", "log_loss", "macro_f1", "balanced_accuracy", "auc"};
    e.search.epochs = 3;
    e.search.space = {{"lr", Choices{0.1}}, {"optimizer", Choices{"sgd"}}, {"batch_size", Choices{std::int64_t{1000}}}};
    e.run.workers = 1;
    return e;
  }
  Experiment weighted(int count = 40) {
    return experiment("weighted", with_weights(rows_of(count, 0)), with_weights(rows_of(30, 100)), true);
  }
  // Weights that a model with so small a learning rate learns are those that it began with.
  static void train_nothing(Experiment& e, std::int64_t batch_size) {
    e.search.epochs = 1;
    e.search.space = {{"lr", Choices{1e-30}}, {"optimizer", Choices{"sgd"}}, {"batch_size", Choices{batch_size}}};
  }
  static std::string error_of(const Experiment& e) {
    try {
      run(e);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  }
  TemporaryFolder folder_;
};

TEST_F(WeightedRun, TrainsAndMeasuresAsIfEachRowStoodThereAsOftenAsItsWeightSays) {
  const Experiment twin =
      experiment("repeated", repeated(rows_of(40, 0)), repeated(rows_of(30, 100)), /*has_weights=*/false);
  const RunResult with = run(weighted()), without = run(twin);
  const ModelResult &a = with.results.models[0], &b = without.results.models[0];
  ASSERT_EQ(a.curve.size(), 3U);
  ASSERT_EQ(b.curve.size(), 3U);
  for (std::size_t epoch = 0; epoch < 3; ++epoch) {
    EXPECT_NEAR(a.curve[epoch].train_loss, b.curve[epoch].train_loss, 1e-5);
    EXPECT_NEAR(a.curve[epoch].valid_loss.value(), b.curve[epoch].valid_loss.value(), 1e-5);
    EXPECT_NEAR(a.curve[epoch].valid_accuracy.value(), b.curve[epoch].valid_accuracy.value(), 1e-12);
    ASSERT_EQ(a.curve[epoch].own.size(), 4U);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(a.curve[epoch].own[i], b.curve[epoch].own[i], i == 3 ? 1e-3 : 1e-5);
  }
  EXPECT_LT(a.curve[2].train_loss, a.curve[0].train_loss);
  const auto parameters = with.best_model->named_parameters(), others = without.best_model->named_parameters();
  ASSERT_EQ(parameters.size(), others.size());
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const Tensor &x = parameters[p].tensor, &y = others[p].tensor;
    ASSERT_EQ(x.shape(), y.shape());
    for (std::int64_t i = 0; i < x.numel(); ++i) EXPECT_NEAR(x.data<float>()[i], y.data<float>()[i], 1e-5);
  }
}

// The rows of training and validation are the same, and the model stays as it is.
TEST_F(WeightedRun, TellsTheWeightedMeanOverAllBatchesAndPartitions) {
  const std::string rows = with_weights(rows_of(40, 0));
  Experiment e = experiment("same", rows, rows, true);
  for (const std::uint32_t partitions : {1U, 4U}) {
    for (const std::int64_t batch_size : {1, 3, 1000}) {
      e.data.partitions = partitions;
      train_nothing(e, batch_size);
      const Results results = run(e).results;
      EXPECT_NEAR(results.models[0].train_loss.value(), results.models[0].valid_loss.value(), 1e-5)
          << partitions << " partitions, batches of " << batch_size;
    }
  }
}

TEST_F(WeightedRun, PassesOverBatchesAndPartitionsInWhichNoRowCounts) {
  std::vector<Row> rows = rows_of(12, 0);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].weight = i == 7 ? 3 : 0;
  const std::string text = with_weights(rows);
  Experiment e = experiment("one", text, text, true);
  e.data.partitions = 3;
  e.model.metrics = {"accuracy"};
  train_nothing(e, 2);
  const ModelResult model = run(e).results.models[0];
  EXPECT_EQ(model.status, "finished");
  EXPECT_NEAR(model.train_loss.value(), model.valid_loss.value(), 1e-6);
  EXPECT_GT(model.train_loss.value(), 0);
}

TEST_F(WeightedRun, HasTheSameBitsForAnyWorkersCapturedOrNot) {
  Experiment e = weighted(64);
  e.data.partitions = 4;
  e.search.space = {
      {"lr", Choices{0.1, 0.01}}, {"optimizer", Choices{"adam"}}, {"batch_size", Choices{std::int64_t{5}}}};
  const auto expected = hashes(run(e).results);
  EXPECT_EQ(expected.size(), 2U);
  e.run.workers = 2;
  EXPECT_EQ(hashes(run(e).results), expected);
  e.run.capture = false;
  EXPECT_EQ(hashes(run(e).results), expected);
  e.data.columns["w"] = "drop";
  EXPECT_NE(hashes(run(e).results), expected) << "the weights make a difference";
}

TEST_F(WeightedRun, LearnsNumbersByWeights) {
  Experiment e = weighted(64);
  e.data.label = std::string("a");
  e.data.columns = {{"y", "none"}, {"b", "none"}, {"w", "weight"}};
  e.model.metrics = {"rmse", "mae", "r2"};
  e.search.space = {{"lr", Choices{0.02}}, {"optimizer", Choices{"adam"}}, {"batch_size", Choices{std::int64_t{8}}}};
  for (const char* loss : {"mse", "mae", "huber", "quantile"}) {
    e.model.loss = std::string(loss);
    e.search.epochs = 8;
    const ModelResult model = run(e).results.models[0];
    EXPECT_EQ(model.status, "finished") << loss;
    EXPECT_LT(model.curve.back().train_loss, model.curve.front().train_loss) << loss;
    EXPECT_EQ(model.own.size(), 3U) << loss;
  }
}

TEST_F(WeightedRun, PredictsRowsWithoutWeights) {
  nn::Predictor predictor = run(weighted()).best();
  const nn::Predictions without = predictor.predict({"b", "a"}, {{"0.5", "1.5"}});
  const nn::Predictions with = predictor.predict({"w", "a", "b"}, {{"none of them is read", "1.5", "0.5"}});
  ASSERT_EQ(without.outputs.shape(), (Shape{1, 3}));
  for (int c = 0; c < 3; ++c) EXPECT_EQ(without.outputs.data<float>()[c], with.outputs.data<float>()[c]);
}

TEST_F(WeightedRun, KeepsItsColumnsInTheExperimentFile) {
  const std::string text = to_toml(weighted());
  EXPECT_THAT(text, HasSubstr("w = \"weight\""));
  const Experiment again = parse_experiment(text, "copy.toml");
  EXPECT_EQ(again.data.columns, weighted().data.columns);
  EXPECT_EQ(to_toml(again), text);
}

TEST_F(WeightedRun, RefusesWhatGivesNoLossOfEachRow) {
  Experiment e = weighted();
  e.model.loss = [](const Tensor& output, const Tensor& target) { return cross_entropy(output, target); };
  EXPECT_THAT(error_of(e), AllOf(HasSubstr("[model] loss: expected a loss by its name for rows with weights"),
                                 HasSubstr("\"drop\"")));
}

TEST_F(WeightedRun, MeasuresAMetricOfTheApplicationThatTakesWeights) {
  Experiment e = weighted();
  nn::Metric hits{.name = "hits"};
  hits.sums = [](const Tensor& output, const Tensor& target) { return sum(eq(argmax(output, -1), target)); };
  e.model.metrics = {hits, "accuracy"};
  EXPECT_THAT(error_of(e), AllOf(HasSubstr("weighted_sums"), HasSubstr("\"hits\"")));
  hits.weighted_sums = [](const Tensor& output, const Tensor& target, const Tensor& weights) {
    return sum(where(eq(argmax(output, -1), target), weights, 0.0));
  };
  e.model.metrics = {hits, "accuracy"};
  const ModelResult model = run(e).results.models[0];
  EXPECT_NEAR(model.own.at(0), model.valid_accuracy.value(), 1e-12);
}

}  // namespace
}  // namespace hop::hopper
