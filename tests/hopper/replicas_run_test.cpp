// Whole runs of strategies with replicas: real training, workers as threads. The judge is the same run on one worker.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "data/dataset.h"
#include "hopper/run.h"
#include "hopper/strategy/data_parallel.h"
#include "tests/hopper/glyphs.h"
#include "tests/hopper/hashes.h"
#include "tests/hopper/killed_run.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;

// 330 rows: partitions of 83, 83, 82 and 82, so that batches of 16 leave short last ones.
class ReplicaRun : public OnGlyphs<330, 4>, public testing::WithParamInterface<const char*> {
 protected:
  static constexpr std::uint32_t kEpochs = 3, kSteps = 6;

  static Experiment experiment(const NameOr<StrategyMaker>& strategy, std::uint32_t workers = 1) {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.model.layers = {"flatten", "dropout 0.1", "linear 12", "batchnorm1d", "relu", "linear 10"};
    e.search.epochs = kEpochs;
    e.search.space = {{"lr", Choices{0.01, 0.003, 0.001}},
                      {"batch_size", Choices{std::int64_t{16}}},
                      {"optimizer", Choices{std::string("adam")}}};
    e.run.strategy = strategy;
    e.run.replicas.average_every = 4;
    e.run.workers = workers;
    return e;
  }
  static fs::path fresh(const std::string& name) { return *folder_ / (std::string(GetParam()) + "-" + name); }
  // Of one worker that is not disturbed.
  static const Results& calm() {
    static std::map<std::string, Results> results;
    const auto known = results.find(GetParam());
    return known != results.end() ? known->second
                                  : results.emplace(GetParam(), run(experiment(GetParam())).results).first->second;
  }
  static void expect_calm_results(const Results& results) {
    EXPECT_EQ(hashes(results), hashes(calm()));
    for (const ModelResult& model : results.models) {
      const ModelResult& expected = calm().model(model.id);
      EXPECT_EQ(model.status, "finished");
      EXPECT_EQ(model.train_loss, expected.train_loss);
      EXPECT_EQ(model.valid_loss, expected.valid_loss);
      EXPECT_EQ(model.valid_accuracy, expected.valid_accuracy);
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Strategies, ReplicaRun, testing::Values("allreduce", "averaging", "parameter_server"));

TEST_P(ReplicaRun, GivesTheSameBitsForAnyNumberOfWorkersRecordedOrNot) {
  for (const std::uint32_t workers : {2U, 3U, 5U}) {
    SCOPED_TRACE(workers);
    const Results results = run(experiment(GetParam(), workers)).results;
    expect_calm_results(results);
    for (const ModelResult& model : results.models) EXPECT_EQ(model.visits.size(), kEpochs) << "a unit is an epoch";
  }
  Experiment eager = experiment(GetParam(), 2);
  eager.run.capture = false;
  eager.run.durable = false;
  eager.run.policy = "greedy";
  expect_calm_results(run(eager).results);
}

TEST_P(ReplicaRun, LearnsAndIsAnotherStrategyThanHopping) {
  EXPECT_NE(hashes(calm()), hashes(run(experiment("hopping")).results));
  for (const ModelResult& model : calm().models) {
    EXPECT_LT(model.curve.back().train_loss, model.curve.front().train_loss);
  }
}

// Four workers: each has one node of the tree, as the formula says.
TEST_P(ReplicaRun, PredictsItsBytesAndSendsThemInGroups) {
  const std::string name = GetParam();
  const Results results = run(experiment(GetParam(), 4), {.run_directory = fresh("bytes")}).results;
  // A weight (12, 784) and a bias, two of the normalisation, a weight (10, 12) and a bias, on boundaries of 64 bytes.
  constexpr std::uint64_t kWeights = 784 * 12 * 4 + 3 * 64 + 512 + 64, kStatistics = 2 * 64;
  // With "averaging" twice an epoch (after four steps and at the end): weights, two moments, and statistics. Each
  // worker has one replica, whose values need no sum.
  const std::uint64_t an_epoch = name == "averaging" ? 2 * (3 * kWeights + kStatistics) : kSteps * kWeights;
  EXPECT_EQ(results.predicted_gradient_bytes, 2 * (4 - 1) * 3 * kEpochs * an_epoch);
  EXPECT_NEAR(static_cast<double>(results.network.gradient), static_cast<double>(results.predicted_gradient_bytes),
              0.01 * static_cast<double>(results.predicted_gradient_bytes));
  std::ifstream file(fresh("bytes") / "results.json");
  const auto json = nlohmann::json::parse(file);
  EXPECT_EQ(json["strategy"], name);
  EXPECT_EQ(json["predicted"]["gradient_bytes"], results.predicted_gradient_bytes);
  EXPECT_EQ(json["network"]["gradient_bytes"], results.network.gradient);
  EXPECT_EQ(calm().predicted_gradient_bytes, 0U) << "one worker has nobody to send to";
  EXPECT_EQ(inspect(fresh("bytes")).predicted_gradient_bytes, results.predicted_gradient_bytes);
}

using ServerRun = ReplicaRun;
INSTANTIATE_TEST_SUITE_P(Strategies, ServerRun, testing::Values("parameter_server"));

TEST_P(ServerRun, HasTheBitsOfSharedGradients) {
  EXPECT_EQ(hashes(run(experiment("allreduce", 2)).results), hashes(calm()));
}

TEST_P(ReplicaRun, ReplaysBitForBit) {
  run(experiment(GetParam(), 2), {.run_directory = fresh("replayed")});
  for (const Replayed& model : replay(fresh("replayed"))) {
    EXPECT_TRUE(model.matches);
    EXPECT_EQ(model.identical, kEpochs);
  }
}

TEST_P(ReplicaRun, BrokenOffGoesOnToTheSameBits) {
  for (const bool abort : {false, true}) {
    SCOPED_TRACE(abort);
    const fs::path directory = fresh(abort ? "aborted" : "stopped");
    RunControl control;
    RunOptions options{.run_directory = directory, .progress_interval = std::chrono::milliseconds(1)};
    options.control = &control;
    options.on_progress = [&](const RunProgress& progress) {
      if (progress.units_done < 2) return;
      abort ? static_cast<void>(control.abort()) : control.stop();
    };
    Results results = run(experiment(GetParam(), 2), options).results;
    for (int tries = 0; results.outcome == Outcome::Interrupted; ++tries) {
      ASSERT_LT(tries, 10);
      results = resume(directory).results;
    }
    expect_calm_results(results);
  }
}

TEST_P(ReplicaRun, KilledResumesToTheSameBits) {
  const fs::path directory = fresh("killed");
  ASSERT_NO_FATAL_FAILURE(run_until_killed(experiment(GetParam(), 2), directory, 2));
  expect_calm_results(resume(directory).results);
}

TEST_P(ReplicaRun, GoesOnWithMoreEpochsFromTheFinalStates) {
  Experiment shorter = experiment(GetParam(), 2);
  shorter.search.epochs = kEpochs - 1;
  const fs::path directory = fresh("extended");
  run(shorter, {.run_directory = directory});
  expect_calm_results(resume(directory, {.epochs = kEpochs}).results);
}

TEST_P(ReplicaRun, ASearchDecidesAlike) {
  const auto halving = [](std::uint32_t workers) {
    Experiment e = experiment(GetParam(), workers);
    e.search.method = "halving";
    e.search.epochs = 4;
    e.search.space[0].second = Choices{0.01, 0.003, 0.001, 0.03};
    e.search.settings = {{"samples", std::int64_t{4}}};
    e.model.mixup = 0.3;
    return run(e).results;
  };
  const Results one = halving(1), three = halving(3);
  EXPECT_EQ(hashes(one), hashes(three));
  for (const ModelResult& model : three.models) EXPECT_EQ(model.epochs, one.model(model.id).epochs);
}

TEST_P(ReplicaRun, AModelMayDiverge) {
  const auto diverging = [](std::uint32_t workers) {
    Experiment e = experiment(GetParam(), workers);
    e.model.layers = {"flatten", "linear 12", "relu", "linear 10"};
    e.search.space[0].second = Choices{1e9, 0.001};
    e.search.space[2].second = Choices{std::string("sgd")};
    return run(e).results;
  };
  const Results one = diverging(1), two = diverging(2);
  EXPECT_EQ(one.models[0].status, "diverged");
  EXPECT_EQ(one.models[1].status, "finished");
  EXPECT_EQ(hashes(one), hashes(two));
}

// A strategy of the application with replicas is the shipped one, if it says the same.
TEST_P(ReplicaRun, AStrategyWithReplicasMayBeTheApplications) {
  const Replicas replicas = std::string(GetParam()) == "averaging" ? Replicas::ShareWeights : Replicas::ShareGradients;
  const StrategyMaker own = [replicas] { return std::make_shared<DataParallel>("own", replicas, Wire::Direct); };
  const Experiment e = experiment(own, 2);
  expect_calm_results(run(e, {.run_directory = fresh("own")}).results);
  for (const Replayed& model : replay(fresh("own"), {}, {}, e)) EXPECT_TRUE(model.matches);
}

// Rows with weights from 0 to 2, in one batch of each replica: with plain gradient descent, shared gradients are those
// of all rows together, and so is the mean of the weights after one step.
TEST_P(ReplicaRun, CountsRowsByTheirWeights) {
  const fs::path folder = fresh("weights");
  fs::create_directories(folder);
  std::string text = "y,a,b,w\n";
  for (int i = 0; i < 60; ++i) {
    text += std::to_string(i * i % 3) + "," + std::to_string(std::sin(3.0 * i)) + "," + std::to_string(i % 7) + "," +
            std::to_string(i % 5 == 0 ? 0 : 1 + i % 2) + "\n";
  }
  std::ofstream(folder / "train.csv") << text;
  std::optional<std::uint32_t> passes;
  const auto weighted = [&](const NameOr<StrategyMaker>& strategy, std::uint32_t partitions, std::uint32_t workers,
                            std::int64_t batch) {
    Experiment e = experiment(strategy, workers);
    e.data.source = (folder / "train.csv").string();
    e.data.label = std::string("y");
    e.data.columns = {{"w", "weight"}};
    e.data.partitions = partitions;
    e.data.validation = data::Validation::tail(12);
    if (passes) e.run.replicas.average_every.reset(), e.run.replicas.average_passes = passes;
    e.model.layers = {"linear 5", "tanh", "linear $outputs"};
    e.search.space = {{"lr", Choices{0.1}}, {"batch_size", Choices{batch}}, {"optimizer", Choices{std::string("sgd")}}};
    return run(e).results;
  };
  const Results together = weighted("hopping", 1, 1, 1000), replicas = weighted(GetParam(), 3, 1, 1000);
  for (std::size_t epoch = 0; epoch < kEpochs; ++epoch) {
    const EpochMetrics &a = together.models[0].curve[epoch], &b = replicas.models[0].curve[epoch];
    EXPECT_NEAR(a.train_loss, b.train_loss, 1e-6);
    EXPECT_NEAR(*a.valid_loss, *b.valid_loss, 1e-6);
    EXPECT_EQ(a.weight, b.weight);
  }
  const Results plain = weighted("hopping", 1, 1, 7), one = weighted(GetParam(), 1, 1, 7);
  EXPECT_EQ(hashes(one), hashes(plain)) << "one replica";
  EXPECT_EQ(one.models[0].train_loss, plain.models[0].train_loss);
  const Results four = weighted(GetParam(), 4, 1, 7);
  EXPECT_EQ(hashes(four), hashes(weighted(GetParam(), 4, 3, 7)));
  if (GetParam() != std::string("averaging")) return;
  passes = 3;
  const Results thrice = weighted(GetParam(), 4, 1, 7);
  EXPECT_EQ(hashes(thrice), hashes(weighted(GetParam(), 4, 3, 7)));
  EXPECT_EQ(thrice.models[0].curve[0].weight, 3 * *four.models[0].curve[0].weight);
  EXPECT_EQ(thrice.passes_of_an_epoch, 3U);
}

}  // namespace
}  // namespace hop::hopper
