// Whole runs of an asynchronous parameter server: real training, real pushes between threads. The judge is replay: one
// trainer, which applies the gradients in the order that the journal remembers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "hopper/run.h"
#include "hopper/strategy/arrivals.h"
#include "tests/hopper/glyphs.h"
#include "tests/hopper/hashes.h"
#include "tests/hopper/killed_run.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;

// 330 rows: partitions of 83, 83, 82 and 82, so each replica has six batches of 16.
class AsyncRun : public OnGlyphs<330, 4> {
 protected:
  static constexpr std::uint32_t kModels = 2, kEpochs = 3, kBatches = 6;

  static Experiment experiment(std::uint32_t workers) {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.model.layers = {"flatten", "dropout 0.1", "linear 12", "batchnorm1d", "relu", "linear 10"};
    e.search.epochs = kEpochs;
    e.search.space = {{"lr", Choices{0.01, 0.003}},
                      {"batch_size", Choices{std::int64_t{16}}},
                      {"optimizer", Choices{std::string("adam")}}};
    e.run.strategy = "parameter_server";
    e.run.replicas.mode = ServerMode::Async;
    e.run.workers = workers;
    return e;
  }
  static fs::path fresh(const std::string& name) { return *folder_ / name; }
  // All units have the digests of the journal, and the final states their SHA-256.
  static void expect_replay(const fs::path& directory, std::uint32_t units = kEpochs) {
    const std::vector<Replayed> models = replay(directory);
    EXPECT_EQ(models.size(), kModels);
    for (const Replayed& model : models) {
      EXPECT_TRUE(model.matches) << "model " << model.model.value;
      EXPECT_EQ(model.identical, units);
    }
  }
  // Each replica has applied all of its batches in each epoch.
  static void expect_whole_epochs(const Results& results) {
    for (const ModelResult& model : results.models) {
      EXPECT_EQ(model.status, "finished");
      ASSERT_EQ(model.visits.size(), kEpochs) << "a unit is an epoch";
      for (const Visit& visit : model.visits) {
        const std::vector<std::uint32_t> order = decode_arrivals(visit.arrivals, 4);
        for (std::uint32_t q = 0; q < 4; ++q) EXPECT_EQ(std::ranges::count(order, q), kBatches);
      }
    }
  }
  static std::uint64_t gradients_in(const std::map<std::uint64_t, std::uint64_t>& ages) {
    return std::accumulate(ages.begin(), ages.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const auto& entry) { return sum + entry.second; });
  }
};

TEST_F(AsyncRun, ReplaysBitForBitWhateverTheOrderWas) {
  for (const std::uint32_t workers : {1U, 2U, 3U, 5U}) {
    SCOPED_TRACE(workers);
    const fs::path directory = fresh("replayed-" + std::to_string(workers));
    const Results results = run(experiment(workers), {.run_directory = directory}).results;
    expect_whole_epochs(results);
    expect_replay(directory);
    for (const ModelResult& model : results.models) {
      EXPECT_LT(model.curve.back().train_loss, model.curve.front().train_loss);
    }
  }
}

// In turns, so that each gradient is as old as there are other replicas. The first of an epoch know the last update.
TEST_F(AsyncRun, OfOneWorkerIsAFunctionOfTheExperiment) {
  const Results first = run(experiment(1)).results, second = run(experiment(1)).results;
  EXPECT_EQ(hashes(first), hashes(second));
  constexpr std::uint64_t kUnits = kModels * kEpochs;
  const std::map<std::uint64_t, std::uint64_t> expected = {
      {0, kUnits}, {1, kUnits}, {2, kUnits}, {3, kUnits * (4 * kBatches - 3)}};
  EXPECT_EQ(first.ages, expected);
  EXPECT_EQ(first.network.gradient, 0U);
  EXPECT_EQ(first.predicted_gradient_bytes, 0U);
  Experiment eager = experiment(1);
  eager.run.capture = false;
  EXPECT_EQ(hashes(run(eager).results), hashes(first));
  Experiment sync = experiment(1);
  sync.run.replicas.mode = ServerMode::Sync;
  EXPECT_NE(hashes(run(sync).results), hashes(first));
}

// Two replicas are the server's, and two push: each gradient is sent once, and the weights come back.
TEST_F(AsyncRun, SendsTheBytesOfTheFormulaAndTellsAges) {
  const fs::path directory = fresh("bytes");
  const Results results = run(experiment(2), {.run_directory = directory}).results;
  // A weight (12, 784) and a bias, two of the normalisation, a weight (10, 12) and a bias: in the gradient block on
  // boundaries of 64 bytes.
  constexpr std::uint64_t kGradients = 784 * 12 * 4 + 3 * 64 + 512 + 64;
  constexpr std::uint64_t kWeights = 784 * 12 * 4 + 3 * 48 + 480 + 40, kUnits = kModels * kEpochs;
  EXPECT_EQ(results.predicted_gradient_bytes, kUnits * 2 * kBatches * 2 * kGradients);
  const std::uint64_t beside = 8 * 2 + 8 * 4 + 32 * 2;  // whether losses are lost, losses, digests
  EXPECT_EQ(results.network.gradient, kUnits * (2 * kBatches * (kGradients + kWeights + 2 * 16) + beside));
  EXPECT_EQ(results.network.hop, kModels * (kEpochs - 1) * results.models[0].state_bytes)
      << "the server's state, to the other member";
  EXPECT_EQ(gradients_in(results.ages), kUnits * 4 * kBatches);
  EXPECT_EQ(inspect(directory).ages, results.ages);
  std::ifstream file(directory / "results.json");
  const auto json = nlohmann::json::parse(file);
  std::map<std::uint64_t, std::uint64_t> ages;
  for (const auto& entry : json["ages"]) ages[entry[0].get<std::uint64_t>()] = entry[1].get<std::uint64_t>();
  EXPECT_EQ(ages, results.ages);
}

TEST_F(AsyncRun, KeepsABoundAndReplays) {
  Experiment e = experiment(3);
  e.run.replicas.staleness = 1;
  const fs::path directory = fresh("bounded");
  const Results results = run(e, {.run_directory = directory}).results;
  expect_whole_epochs(results);
  for (const ModelResult& model : results.models) {
    for (const Visit& visit : model.visits) {
      std::vector<std::int64_t> clocks(4);
      for (const std::uint32_t q : decode_arrivals(visit.arrivals, 4)) {
        ++clocks[q];
        for (const std::int64_t other : clocks) EXPECT_LE(clocks[q] - other, 2);
      }
    }
  }
  expect_replay(directory);
}

// The unit in flight is trained anew, in another order. What is committed counts.
TEST_F(AsyncRun, KilledGoesOnAndReplays) {
  const fs::path directory = fresh("killed");
  ASSERT_NO_FATAL_FAILURE(run_until_killed(experiment(2), directory, 2));
  expect_whole_epochs(resume(directory).results);
  expect_replay(directory);
}

// The file of a finished model is lost: its epochs are trained again by the group, in the order of the journal.
TEST_F(AsyncRun, TrainsALostModelAgainToTheSameBits) {
  for (const std::uint32_t workers : {1U, 3U}) {
    SCOPED_TRACE(workers);
    const fs::path directory = fresh("lost-" + std::to_string(workers));
    const Results before = run(experiment(workers), {.run_directory = directory}).results;
    ASSERT_TRUE(fs::remove(directory / "models" / "0.hop"));
    const Results after = resume(directory).results;
    EXPECT_EQ(hashes(after), hashes(before));
    EXPECT_TRUE(fs::exists(directory / "models" / "0.hop"));
    for (std::size_t epoch = 0; epoch < kEpochs; ++epoch) {
      EXPECT_EQ(after.models[0].visits[epoch].arrivals, before.models[0].visits[epoch].arrivals);
    }
    expect_replay(directory);
  }
}

TEST_F(AsyncRun, GoesOnWithMoreEpochs) {
  Experiment shorter = experiment(2);
  shorter.search.epochs = kEpochs - 1;
  const fs::path directory = fresh("extended");
  run(shorter, {.run_directory = directory});
  expect_whole_epochs(resume(directory, {.epochs = kEpochs}).results);
  expect_replay(directory);
}

TEST_F(AsyncRun, AModelMayDiverge) {
  for (const std::uint32_t workers : {1U, 2U}) {
    SCOPED_TRACE(workers);
    Experiment e = experiment(workers);
    e.model.layers = {"flatten", "linear 12", "relu", "linear 10"};
    e.search.space[0].second = Choices{1e9, 0.001};
    e.search.space[2].second = Choices{std::string("sgd")};
    const fs::path directory = fresh("diverged-" + std::to_string(workers));
    const Results results = run(e, {.run_directory = directory}).results;
    EXPECT_EQ(results.models[0].status, "diverged");
    EXPECT_EQ(results.models[1].status, "finished");
    for (const Replayed& model : replay(directory)) EXPECT_TRUE(model.matches);
  }
}

}  // namespace
}  // namespace hop::hopper
