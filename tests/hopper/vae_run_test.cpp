// The family "vae" with the loss "elbo": against the loop of a C++ program, and in runs. No label is read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "autograd/graph.h"
#include "autograd/ops.h"
#include "base/error.h"
#include "base/hash.h"
#include "data/batches.h"
#include "hopper/run.h"
#include "hopper/trainer.h"
#include "nn/init.h"
#include "nn/models.h"
#include "nn/optim/adam.h"
#include "tests/hopper/glyphs.h"
#include "tests/hopper/same_bits.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

class VaeRun : public OnGlyphs<320, 4> {
 protected:
  static Experiment experiment() {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.data.scale = data::Scale{0, 1.0 / 255};
    e.model.family = "vae";
    e.model.loss = "elbo";
    e.model.metrics.clear();
    e.search.epochs = 3;
    e.search.space = {{"lr", Choices{0.01, 0.003}},
                      {"hidden", Choices{std::int64_t{32}}},
                      {"latent", Choices{std::int64_t{4}}},
                      {"batch_size", Choices{std::int64_t{24}}},
                      {"optimizer", Choices{std::string("adam")}}};
    e.run.workers = 2;
    return e;
  }
  static Config config() {
    return {{"lr", 0.01},
            {"hidden", std::int64_t{32}},
            {"latent", std::int64_t{4}},
            {"batch_size", std::int64_t{24}},
            {"optimizer", std::string("adam")}};
  }
};

// As a program of the library trains nn/models' VAE: examples/ports/vae.cpp.
TEST_F(VaeRun, TrainsAsTheLoopOfAProgram) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  const Experiment e = experiment();
  Trainer trainer(e, ModelId(0), config(), data);
  trainer.initialize();
  double told = 0;
  for (std::uint32_t epoch = 0; epoch < 2; ++epoch)
    told = trainer.train(data.partition(PartitionId(1)), Epoch(epoch), PartitionId(1)).train_loss;

  nn::models::VAE vae({.inputs = data.feature_shape().numel(), .hidden = 32, .latent = 4});
  nn::init_parameters(vae, hash64(e.seed, "init", {0}));
  vae.set_random_key(hash64(e.seed, "random", {0}));
  optim::Adam adam(vae.named_parameters(), {.lr = 0.01});
  const auto batches = data::make_batches({.batch_size = 24, .scale = *e.data.scale}, Device::cpu());
  double losses = 0;
  for (std::uint32_t epoch = 0; epoch < 2; ++epoch) {
    losses = 0;
    const data::Partition partition = data.partition(PartitionId(1));
    batches->start(partition, hash64(e.seed, "order", {0, epoch, 1}));
    while (const std::int64_t rows = batches->next()) {
      vae.set_step(adam.step_count());
      const Tensor x = flatten(batches->batch().x, 1);
      adam.zero_grad();
      const Tensor loss = nn::models::vae_loss(vae.sample(x), x) / static_cast<double>(rows);
      backward(loss);
      adam.step();
      losses += loss.item<double>() * static_cast<double>(rows);
    }
  }
  for (const nn::NamedTensor& p : vae.named_parameters()) {
    const auto here = trainer.module().named_parameters();
    const auto found = std::ranges::find(here, p.name, &nn::NamedTensor::name);
    ASSERT_NE(found, here.end()) << p.name;
    const auto bytes = static_cast<std::size_t>(p.tensor.numel()) * sizeof(float);
    EXPECT_EQ(std::memcmp(found->tensor.raw_data(), p.tensor.raw_data(), bytes), 0) << p.name;
  }
  EXPECT_DOUBLE_EQ(told, losses / 80);
}

TEST_F(VaeRun, HasTheSameBitsForAnyNumberOfWorkersRecordedOrNot) {
  expect_the_same_bits_however_it_runs(experiment(), *folder_ / "two");
}

TEST_F(VaeRun, LearnsAndIsValidatedByItsLoss) {
  Experiment e = experiment();
  e.search.epochs = 1;
  const ModelResult first = run(e).results.models.front();
  e.search.epochs = 6;
  const ModelResult last = run(e).results.models.front();
  ASSERT_TRUE(first.valid_loss && last.valid_loss);
  EXPECT_LT(*last.valid_loss, 0.9 * *first.valid_loss);
  EXPECT_FALSE(last.valid_accuracy.has_value());
}

TEST_F(VaeRun, KilledResumesToTheSameBits) { expect_the_same_bits_after_a_kill(experiment(), *folder_ / "killed", 7); }

TEST_F(VaeRun, RefusesColumnsThatAreNotScaledToTheRangeOfItsBound) {
  std::string rows = "age,pay,kind\n";
  for (int i = 0; i < 40; ++i)
    rows += std::to_string(20 + i) + "," + std::to_string(i * 100) + "," + (i % 3 ? "a\n" : "b\n");
  std::ofstream(*folder_ / "rows.csv") << rows;
  Experiment e = experiment();
  e.data = {};
  e.data.source = *folder_ / "rows.csv";
  e.data.partitions = 2;
  e.data.label = std::string("kind");
  e.search.epochs = 1;
  e.data.columns = {{"age", "minmax"}};
  EXPECT_THAT([&] { run(e); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("expected features from 0 to 1 for loss = \"elbo\", got -"),
                                               HasSubstr("in column \"pay\""), HasSubstr("\"minmax\""))));
  e.data.columns["pay"] = "minmax";
  EXPECT_EQ(run(e).results.models.front().status, "finished");
}

TEST_F(VaeRun, RefusesWhatItCannotDo) {
  const auto refusal = [](const auto& change) {
    Experiment e = experiment();
    change(e);
    try {
      run(e);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(refusal([](Experiment& e) { e.model.metrics = {"accuracy"}; }), HasSubstr("write metrics = []"));
  EXPECT_THAT(refusal([](Experiment& e) {
                e.data.scale = data::Scale{0, 1};
              }),
              HasSubstr("expected features from 0 to 1 for loss = \"elbo\", got 0 to 255"));
  EXPECT_THAT(refusal([](Experiment& e) { e.model.mixup = 0.2; }), HasSubstr("[model] mixup"));
  EXPECT_THAT(refusal([](Experiment& e) {
                e.model.family = "lenet";
                e.search.space = {{"lr", Choices{0.01}}};
              }),
              HasSubstr("expected a model that has the loss \"elbo\", got"));
  EXPECT_THAT(refusal([](Experiment& e) {
                e.model.loss = "cross_entropy";
                e.model.metrics = {"accuracy"};
              }),
              HasSubstr("write loss = \"elbo\""));
}

TEST(VaeExperiment, NeedsNoMetricsInItsFile) {
  const std::string file =
      "[data]\nsource = \"glyphs\"\nscale = [0, 0.00392156862745098]\n[model]\nfamily = \"vae\"\nloss = \"elbo\"\n"
      "[search.space]\nlr = [0.001]\nlatent = [2, 8]\n";
  const Experiment e = parse_experiment(file, "vae.toml");
  EXPECT_TRUE(e.model.metrics.empty());
  EXPECT_EQ(e.objective(), Objective(Objective::ValidLoss));
  const std::vector<std::string> classes = {"data.target=class"}, metrics = {"model.metrics=[\"rmse\"]"};
  EXPECT_NO_THROW(parse_experiment(file, "vae.toml", classes));
  EXPECT_THAT(
      [&] { parse_experiment(file, "vae.toml", metrics); },
      ThrowsMessage<ConfigError>(HasSubstr("does not measure what loss = \"elbo\" learns: write metrics = []")));
}

TEST_F(VaeRun, AnswersWithNoLabel) {
  const fs::path directory = *folder_ / "answers";
  Experiment e = experiment();
  e.search.epochs = 1;
  const RunResult result = run(e, {.run_directory = directory});
  EXPECT_THAT([&] { result.best(); },
              ThrowsMessage<ConfigError>(HasSubstr("expected a model that answers with labels")));
}

}  // namespace
}  // namespace hop::hopper
