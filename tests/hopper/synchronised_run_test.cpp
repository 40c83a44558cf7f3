// Whole runs with BatchNorm layers that take the statistics of all replicas. The judge is the same run on one worker.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "hopper/run.h"
#include "tests/hopper/glyphs.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;

class SynchronisedRun : public OnGlyphs<330, 4> {
 protected:
  static Experiment experiment(const std::string& strategy, std::uint32_t workers) {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.model.layers = {"flatten", "dropout 0.1", "linear 12", "batchnorm1d", "relu", "linear 10"};
    e.search.epochs = 2;
    e.search.space = {{"lr", Choices{0.01, 0.003}},
                      {"batch_size", Choices{std::int64_t{16}}},
                      {"optimizer", Choices{std::string("adam")}}};
    e.run.strategy = strategy;
    e.run.workers = workers;
    e.run.device = "cpu";
    e.run.replicas.batchnorm = BatchNormStatistics::Synchronised;
    return e;
  }
  static std::map<std::uint32_t, std::string> hashes(const Results& results) {
    std::map<std::uint32_t, std::string> hashes;
    for (const ModelResult& model : results.models) {
      EXPECT_EQ(model.status, "finished");
      hashes[model.id.value] = model.state_sha256;
    }
    return hashes;
  }
  static void expect_within_one_percent(const Results& results) {
    const auto predicted = static_cast<double>(results.predicted_gradient_bytes);
    EXPECT_NEAR(static_cast<double>(results.network.gradient), predicted, 0.01 * predicted);
  }
};

TEST_F(SynchronisedRun, EndsWithTheSameBitsForAnyNumberOfWorkers) {
  const auto one = hashes(run(experiment("allreduce", 1)).results);
  for (const std::uint32_t workers : {2U, 3U}) {
    EXPECT_EQ(hashes(run(experiment("allreduce", workers)).results), one) << workers;
    EXPECT_EQ(hashes(run(experiment("parameter_server", workers)).results), one) << workers;
  }
  Experiment eager = experiment("allreduce", 2);
  eager.run.capture = false;
  EXPECT_EQ(hashes(run(eager).results), one);
  Experiment apart = experiment("allreduce", 1);
  apart.run.replicas.batchnorm.reset();
  EXPECT_NE(hashes(run(apart).results), one);
}

TEST_F(SynchronisedRun, HopsInGroupsToTheSameBits) {
  const auto hopping = [](std::uint32_t workers) {
    Experiment e = experiment("hopping", workers);
    e.run.replicas.group = 2;
    return hashes(run(e).results);
  };
  EXPECT_EQ(hopping(4), hopping(1));
}

// Four replicas with 12 channels and six steps in each of two epochs, of two models.
TEST_F(SynchronisedRun, SendsTheBytesOfTheFormula) {
  for (const std::uint32_t workers : {1U, 2U, 3U, 4U}) {
    SCOPED_TRACE(workers);
    Experiment apart = experiment("allreduce", workers);
    apart.run.replicas.batchnorm.reset();
    const Results results = run(experiment("allreduce", workers)).results, without = run(apart).results;
    const std::uint64_t statistics = 8 * (4 * 12 + 1) * 4 * (workers - 1) * 6 * 2 * 2;
    EXPECT_EQ(results.predicted_gradient_bytes, without.predicted_gradient_bytes + statistics);
    EXPECT_EQ(results.network.gradient, without.network.gradient + statistics);
    expect_within_one_percent(results);
  }
}

// A unit has two replicas of two members, and an epoch two units of six steps.
TEST_F(SynchronisedRun, SendsTheBytesOfTheFormulaInGroups) {
  Experiment e = experiment("hopping", 4);
  e.run.replicas.group = 2;
  const Results results = run(e).results;
  e.run.replicas.batchnorm.reset();
  const std::uint64_t statistics = 8 * (4 * 12 + 1) * 2 * (2 - 1) * 6 * 2 * 2 * 2;
  EXPECT_EQ(results.predicted_gradient_bytes, run(e).results.predicted_gradient_bytes + statistics);
  expect_within_one_percent(results);
}

TEST_F(SynchronisedRun, ReplaysBitForBit) {
  const fs::path directory = *folder_ / "replayed";
  run(experiment("allreduce", 2), {.run_directory = directory});
  for (const Replayed& model : replay(directory)) EXPECT_TRUE(model.matches);
}

// Weights from 0 to 2, all rows of a replica in one batch: the rows of all replicas are one batch of plain training.
TEST_F(SynchronisedRun, CountsRowsByTheirWeightsInLossesAndAllAlikeInStatistics) {
  const fs::path folder = *folder_ / "weights";
  fs::create_directories(folder);
  std::string text = "y,a,b,w\n";
  for (int i = 0; i < 60; ++i) {
    text += std::to_string(i * i % 3) + "," + std::to_string(std::sin(3.0 * i)) + "," + std::to_string(i % 7) + "," +
            std::to_string(i % 5 == 0 ? 0 : 1 + i % 2) + "\n";
  }
  std::ofstream(folder / "train.csv") << text;
  const auto weighted = [&](const std::string& strategy, std::uint32_t partitions, std::uint32_t workers,
                            std::int64_t batch) {
    Experiment e = experiment(strategy, workers);
    e.data.source = (folder / "train.csv").string();
    e.data.label = std::string("y");
    e.data.columns = {{"w", "weight"}};
    e.data.partitions = partitions;
    e.data.validation = data::Validation::tail(12);
    e.model.layers = {"linear 5", "batchnorm1d", "tanh", "linear $outputs"};
    e.search.space = {{"lr", Choices{0.1}}, {"batch_size", Choices{batch}}, {"optimizer", Choices{std::string("sgd")}}};
    return run(e).results;
  };
  const Results together = weighted("hopping", 1, 1, 1000), replicas = weighted("allreduce", 3, 1, 1000);
  for (std::size_t epoch = 0; epoch < 2; ++epoch) {
    const EpochMetrics &a = together.models[0].curve[epoch], &b = replicas.models[0].curve[epoch];
    EXPECT_NEAR(a.train_loss, b.train_loss, 1e-5);
    EXPECT_NEAR(*a.valid_loss, *b.valid_loss, 1e-5);
    EXPECT_EQ(a.weight, b.weight);
  }
  EXPECT_EQ(hashes(weighted("allreduce", 4, 3, 7)), hashes(weighted("allreduce", 4, 1, 7)));
}

}  // namespace
}  // namespace hop::hopper
