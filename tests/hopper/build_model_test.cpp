// From a configuration to a module: the configurations that are refused, and the models that are tried with one row.
#include "hopper/build_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>

#include "autograd/grad_mode.h"
#include "base/error.h"
#include "data/glyphs.h"
#include "hopper/run.h"
#include "hopper/trainer.h"
#include "nn/layers.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// 20 rows in each of two partitions.
class ModelsOfAnExperiment : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_.emplace();
    data::write_dataset(data::glyphs({.train_rows = 40, .test_rows = 10}), *folder_ / "data", {.partitions = 2});
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static Experiment experiment(std::vector<std::string> layers) {
    Experiment e;
    e.data.source = *folder_ / "data";
    e.model.layers = std::move(layers);
    e.search.space = {{"lr", Choices{0.01, 0.001}}, {"batch_size", Choices{std::int64_t{19}}}};
    return e;
  }
  static Experiment experiment(ModelBuilder builder) {
    Experiment e = experiment(std::vector<std::string>());
    e.model.builder = std::move(builder);
    return e;
  }
  static data::Dataset dataset() { return data::Dataset::open(*folder_ / "data"); }

  static inline std::optional<TemporaryFolder> folder_;
};

TEST_F(ModelsOfAnExperiment, AreRefusedWhereALastBatchWouldHaveOneRowThatTheyCannotBeTrainedWith) {
  const data::Dataset data = dataset();
  const auto check = [&](std::vector<std::string> layers, std::int64_t batch) {
    const Experiment e = experiment(std::move(layers));
    const Config config = {{"batch_size", batch}};
    Trainer trainer(e, ModelId(0), config, data);
    check_last_batches(trainer.module(), e, config, data);
  };
  const std::vector<std::string> normalised = {"flatten", "linear 8", "batchnorm1d", "dropout 0.1", "linear 10"};
  for (const std::int64_t batch : {19, 1}) {
    const std::string text = "batch_size: " + std::to_string(batch) + " leaves a last batch of one row";
    EXPECT_THAT([&] { check(normalised, batch); },
                ThrowsMessage<ConfigError>(testing::AllOf(HasSubstr(text), HasSubstr("partition 0 has 20 rows"))));
  }
  EXPECT_NO_THROW(check(normalised, 18));
  EXPECT_NO_THROW(check({"conv2d 2 3", "batchnorm2d", "flatten", "linear 10"}, 19))
      << "one image has many values per channel";
  EXPECT_NO_THROW(check({"flatten", "linear 10"}, 19));
}

// Partitions of 20 and 20 rows, and of 21 and 20.
TEST_F(ModelsOfAnExperiment, MayHaveALastBatchOfOneRowWhereReplicasShareTheirStatistics) {
  data::write_dataset(data::glyphs({.train_rows = 41, .test_rows = 10}), *folder_ / "odd", {.partitions = 2});
  const auto check = [&](const char* folder, std::int64_t batch, std::optional<BatchNormStatistics> statistics) {
    Experiment e = experiment({"flatten", "linear 8", "batchnorm1d", "dropout 0.1", "linear 10"});
    e.run.strategy = "allreduce";
    e.run.replicas.batchnorm = statistics;
    const data::Dataset data = data::Dataset::open(*folder_ / folder);
    const Config config = {{"batch_size", batch}};
    Trainer trainer(e, ModelId(0), config, data);
    check_last_batches(trainer.module(), e, config, data);
  };
  EXPECT_THROW(check("data", 19, {}), ConfigError);
  EXPECT_NO_THROW(check("data", 19, BatchNormStatistics::Synchronised));
  EXPECT_NO_THROW(check("data", 1, BatchNormStatistics::Synchronised));
  EXPECT_THAT([&] { check("odd", 20, BatchNormStatistics::Synchronised); },
              ThrowsMessage<ConfigError>(HasSubstr("partition 1 has 21 rows")))
      << "no other replica has rows then";
}

TEST_F(ModelsOfAnExperiment, AreRefusedBeforeARunBegins) {
  const Experiment e = experiment({"flatten", "linear 8", "batchnorm1d", "linear 10"});
  EXPECT_THAT([&] { run(e, {.run_directory = *folder_ / "refused"}); },
              ThrowsMessage<ConfigError>(HasSubstr("batch_size: 19 leaves a last batch of one row")));
  EXPECT_FALSE(std::filesystem::exists(*folder_ / "refused"));
}

// A configuration stands in messages and records, which have their limits.
TEST_F(ModelsOfAnExperiment, AreRefusedBeforeARunBeginsWhereAConfigurationIsTooLong) {
  Experiment e = experiment({"flatten", "linear 10"});
  e.search.space.emplace_back("schedule", Choices{std::string(300'000, 'x')});
  EXPECT_THAT([&] { run(e, {.run_directory = *folder_ / "refused"}); },
              ThrowsMessage<ConfigError>(HasSubstr("expected configurations of at most 262144 bytes, got one of")));
  EXPECT_FALSE(std::filesystem::exists(*folder_ / "refused"));
}

// Counts forward passes that are none of a training step.
class Asked : public nn::Module {
 public:
  explicit Asked(std::shared_ptr<std::atomic<int>> questions)
      : linear_(register_module("linear", nn::Linear(28 * 28, 10))), questions_(std::move(questions)) {}
  Tensor forward(const Tensor& x) override {
    if (is_training() && !is_grad_enabled()) ++*questions_;
    return linear_(nn::Flatten()(x));
  }

 private:
  nn::Linear linear_;
  std::shared_ptr<std::atomic<int>> questions_;
};

TEST_F(ModelsOfAnExperiment, AreAskedBeforeTheRunAndBeforeTheirFirstUnit) {
  const auto questions = std::make_shared<std::atomic<int>>(0);
  const Experiment e = experiment([&](const Config&, const ModelInput&) { return std::make_shared<Asked>(questions); });
  for (const ModelResult& model : run(e).results.models) EXPECT_EQ(model.status, "finished");
  EXPECT_EQ(*questions, 4) << "two per model, however many trainers were built";
}

TEST_F(ModelsOfAnExperiment, AreRefusedWhereTheBuilderGivesNone) {
  const Experiment e = experiment([](const Config&, const ModelInput&) { return nullptr; });
  EXPECT_THAT([&] { run(e); }, ThrowsMessage<ConfigError>(HasSubstr("[model] expected a module from the builder")));
}

}  // namespace
}  // namespace hop::hopper
