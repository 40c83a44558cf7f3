// Runs that predict numbers, from the rows to the leaderboard. Judged by the noise of generated rows, which no model
// can beat, by the bits of other ways to the same states, and by numbers computed here from the outputs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "autograd/grad_mode.h"
#include "autograd/ops.h"
#include "base/error.h"
#include "hopper/build_model.h"
#include "hopper/run.h"
#include "nn/layers.h"
#include "tests/hopper/hashes.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

constexpr std::int64_t kRows = 600, kTestRows = 200;
constexpr double kNoise = 2;

struct Table {
  Tensor x, y;  // (rows, 2), (rows, k)
};

// Prices of a large size: 50,000 + 300 a - 200 b, with noise; and, as a second number, a / 1000.
Table prices(std::int64_t rows, std::int64_t columns, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Table table{Tensor::empty({rows, 2}, DType::f32), Tensor::empty({rows, columns}, DType::f32)};
  for (std::int64_t i = 0; i < rows; ++i) {
    const double a = normal(random), b = normal(random);
    table.x.data<float>()[2 * i] = static_cast<float>(a);
    table.x.data<float>()[2 * i + 1] = static_cast<float>(b);
    float* y = table.y.data<float>() + columns * i;
    y[0] = static_cast<float>(50'000 + 300 * a - 200 * b + kNoise * normal(random));
    if (columns > 1) y[1] = static_cast<float>(a / 1000);
  }
  return table;
}

std::shared_ptr<const data::RowSource> rows_of(const Table& table) { return data::tensor_source(table.x, table.y); }

class Regression : public testing::Test {
 protected:
  static Experiment experiment(std::int64_t columns = 1) {
    Experiment e;
    e.name = "prices";
    e.seed = 3;
    e.data.rows = rows_of(prices(kRows, columns, 1));
    e.data.test_rows = rows_of(prices(kTestRows, columns, 2));
    e.data.partitions = 4;
    e.data.validation = data::Validation::file();
    e.model.layers = {"linear $outputs"};
    e.model.loss = "mse";
    e.model.metrics = {"rmse", "mae", "r2"};
    e.search.epochs = 12;
    e.search.space = {
        {"lr", Choices{0.0001, 0.1}}, {"optimizer", Choices{"sgd"}}, {"batch_size", Choices{std::int64_t{20}}}};
    return e;
  }
  template <class E = ConfigError>
  static std::string error_of(const Experiment& e) {
    try {
      run(e);
    } catch (const E& error) {
      return error.what();
    }
    return "no error";
  }
  TemporaryFolder folder_;
};

TEST_F(Regression, ReachesTheNoiseOfTheRowsAndRanksByIt) {
  const RunResult result = run(experiment(), {.run_directory = folder_ / "r"});
  const Results& results = result.results;
  ASSERT_TRUE(results.best);
  EXPECT_EQ(results.best->value, 1U) << "the learning rate of model 0 is too low";
  EXPECT_EQ(results.objective, Objective::own(false));
  const ModelResult& best = results.model(*results.best);
  ASSERT_EQ(best.own.size(), 3U);
  EXPECT_LT(best.own[0], 1.2 * kNoise) << "rmse";
  EXPECT_GT(best.own[0], 0.8 * kNoise);
  EXPECT_NEAR(best.own[1], best.own[0] * std::sqrt(2 / M_PI), 0.15) << "mae of normal errors";
  EXPECT_GT(best.own[2], 0.9999) << "r2";
  EXPECT_FALSE(best.valid_accuracy.has_value());
  const auto json = nlohmann::json::parse(std::ifstream(folder_ / "r" / "results.json"));
  EXPECT_EQ(json["models"][1]["metrics"]["rmse"], best.own[0]);
  EXPECT_TRUE(json["models"][1]["valid_accuracy"].is_null());
  const std::string board = leaderboard(results);
  EXPECT_THAT(board, AllOf(HasSubstr("rmse="), testing::Not(HasSubstr("valid acc"))));
  EXPECT_LT(board.find("lr=0.1"), board.find("lr=0.0001"));
}

// The metrics, once more from the outputs of the model: number = offset + output / factor.
TEST_F(Regression, MeasuresInTheUnitOfTheLabel) {
  for (const std::int64_t columns : {1, 2}) {
    Experiment e = experiment(columns);
    e.search.epochs = 2;
    const fs::path directory = folder_ / ("m" + std::to_string(columns));
    const RunResult result = run(e, {.run_directory = directory});
    const ModelResult& best = result.results.model(*result.results.best);
    const data::Dataset dataset = data::Dataset::open(directory / "data");
    const Table test = prices(kTestRows, columns, 2);
    const NoGradGuard no_grad;
    Tensor x = Tensor::empty({kTestRows, 2}, DType::f32);
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const data::Scale& scale = dataset.scale().columns()[static_cast<std::size_t>(i % 2)].scale;
      x.data<float>()[i] =
          (test.x.data<float>()[i] - static_cast<float>(scale.offset)) * static_cast<float>(scale.factor);
    }
    const Tensor output = (*result.best_model)(x);
    ASSERT_EQ(output.shape(), (Shape{kTestRows, columns}));
    double rmse = 0, mae = 0;
    for (std::int64_t c = 0; c < columns; ++c) {
      double squares = 0;
      for (std::int64_t i = 0; i < kTestRows; ++i) {
        const double told = data::undo(dataset.target().columns[static_cast<std::size_t>(c)].scale,
                                       output.data<float>()[columns * i + c]);
        const double error = told - test.y.data<float>()[columns * i + c];
        squares += error * error;
        mae += std::abs(error) / static_cast<double>(kTestRows * columns);
      }
      rmse += std::sqrt(squares / static_cast<double>(kTestRows)) / static_cast<double>(columns);
    }
    EXPECT_NEAR(best.own[0], rmse, 1e-3 * rmse);
    EXPECT_NEAR(best.own[1], mae, 1e-3 * mae);
  }
}

TEST_F(Regression, HasTheSameBitsForAnyWorkersCapturedOrNot) {
  Experiment e = experiment(2);
  e.search.epochs = 2;
  e.run.workers = 1;
  const auto expected = hashes(run(e).results);
  e.run.workers = 4;
  EXPECT_EQ(hashes(run(e).results), expected);
  e.run.capture = false;
  EXPECT_EQ(hashes(run(e).results), expected);
}

TEST_F(Regression, TrainsWithEveryLossOfNumbers) {
  for (const nn::LossRow& loss : nn::losses()) {
    if (nn::target_kind(loss.output) == data::TargetKind::classes || loss.output == nn::Output::Input) continue;
    Experiment e = experiment();
    e.model.loss = std::string(loss.name);
    e.search.epochs = 3;
    e.search.space = {{"lr", Choices{0.03}}, {"optimizer", Choices{"adam"}}};
    e.model.metrics = {};
    for (const std::string& metric : nn::default_metrics(loss.output)) e.model.metrics.emplace_back(metric);
    if (loss.output != nn::Output::Standard) {  // counts of 0 and 1, which are probabilities as well
      Table train = prices(kRows, 1, 1), test = prices(kTestRows, 1, 2);
      for (const Table* table : {&train, &test}) {
        for (std::int64_t i = 0; i < table->y.numel(); ++i)
          table->y.data<float>()[i] = table->x.data<float>()[2 * i] > 0 ? 1 : 0;
      }
      e.data.rows = rows_of(train);
      e.data.test_rows = rows_of(test);
    }
    const Results longer = run(e).results;
    e.search.epochs = 1;
    const Results shorter = run(e).results;
    EXPECT_LT(longer.models[0].valid_loss.value(), shorter.models[0].valid_loss.value()) << loss.name;
    if (loss.output != nn::Output::Logit) continue;
    EXPECT_GT(longer.models[0].valid_accuracy.value(), 0.9);
  }
}

TEST_F(Regression, GivesALossOfTheApplicationTheNumbersThemselves) {
  Experiment e = experiment();
  e.search.epochs = 1;
  std::atomic<float> seen = 0;
  e.model.loss = [&](const Tensor& output, const Tensor& target) {
    seen = target.data<float>()[0];
    return mse_loss(output, target);
  };
  e.run.capture = false;
  const Results results = run(e).results;
  EXPECT_GT(seen, 40'000.0F);
  EXPECT_EQ(results.models[0].status, "finished") << "a large loss is no lost model";
}

TEST_F(Regression, SaysWhatDoesNotFit) {
  Experiment e = experiment();
  e.model.loss = "cross_entropy";
  e.model.metrics = {"accuracy"};
  EXPECT_THAT(error_of(e), AllOf(HasSubstr("\"cross_entropy\" learns classes"), HasSubstr("are numbers"),
                                 HasSubstr("loss = \"mse\"")));
  e = experiment();
  e.model.metrics = {"accuracy"};
  EXPECT_THAT(error_of(e), AllOf(HasSubstr("\"accuracy\" does not measure"), HasSubstr("[\"rmse\", \"mae\", \"r2\"]")));
  e = experiment();
  e.model.layers = {"linear 3"};
  EXPECT_THAT(error_of(e), AllOf(HasSubstr("linear 3"), HasSubstr("(1)"), HasSubstr("(3)")));
  e = experiment();
  e.model.layers = {};
  e.model.builder = [](const Config&, const ModelInput&) { return std::make_shared<nn::Linear>(2, 2); };
  EXPECT_THAT(error_of(e), AllOf(HasSubstr("outputs (rows, 1)"), HasSubstr("(2, 2)"), HasSubstr("$outputs")));
  e = experiment();
  e.model.loss = "bce";
  e.model.metrics = {"accuracy"};
  EXPECT_THAT(error_of<DataError>(e), AllOf(HasSubstr("labels from 0 to 1"), HasSubstr("\"mse\"")));
  e = experiment();
  e.data.target = data::TargetKind::classes;
  EXPECT_THAT(error_of(e), AllOf(HasSubstr("[data] target"), HasSubstr("\"class\""), HasSubstr("\"mse\"")));
}

}  // namespace
}  // namespace hop::hopper
