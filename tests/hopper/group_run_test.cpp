// Whole runs of the strategies with replicas by groups of workers: real training, real exchange between threads. The
// judge is one worker, which exchanges nothing. tests/cli/faults_test.cpp kills members that are processes.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>

#include "data/dataset.h"
#include "hopper/run.h"
#include "tests/hopper/glyphs.h"
#include "tests/hopper/hashes.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;

// 330 rows: partitions of 83, 83, 82 and 82.
class GroupRun : public OnGlyphs<330, 4>, public testing::WithParamInterface<const char*> {
 protected:
  static constexpr std::uint32_t kModels = 2, kEpochs = 3, kSteps = 6, kEvery = 4;
  static constexpr std::uint64_t kBufferBytes = 12 * 4 + 12 * 4 + 8;  // of batchnorm1d: mean, variance, count

  static Experiment experiment(std::uint32_t workers) {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.model.layers = {"flatten", "dropout 0.1", "linear 12", "batchnorm1d", "relu", "linear 10"};
    e.search.epochs = kEpochs;
    e.search.space = {{"lr", Choices{0.01, 0.003}},
                      {"batch_size", Choices{std::int64_t{16}}},
                      {"optimizer", Choices{std::string("adam")}}};
    e.run.strategy = GetParam();
    e.run.replicas.average_every = kEvery;
    e.run.workers = workers;
    return e;
  }
  static bool averages() { return GetParam() == std::string("averaging"); }
  static bool has_a_choice_of_exchange() { return GetParam() == std::string("allreduce"); }
  static const Results& alone() {
    static std::map<std::string, Results> results;
    const auto known = results.find(GetParam());
    return known != results.end() ? known->second
                                  : results.emplace(GetParam(), run(experiment(1)).results).first->second;
  }
  static void expect_results_of_one_worker(const Results& results) {
    EXPECT_EQ(hashes(results), hashes(alone()));
    for (const ModelResult& model : results.models) {
      EXPECT_EQ(model.status, "finished");
      EXPECT_EQ(model.train_loss, alone().model(model.id).train_loss);
      EXPECT_EQ(model.valid_loss, alone().model(model.id).valid_loss);
    }
  }
  // `flags`: messages of a step that tell of lost losses.
  static void expect_an_exchange(ReduceExchange exchange, std::uint32_t workers, bool adds_as_the_tree,
                                 std::uint64_t flags) {
    const auto run_by_it = [&](const RunOptions& options = {}) {
      Experiment e = experiment(workers);
      e.run.replicas.reduce_exchange = exchange;
      return run(e, options).results;
    };
    const fs::path directory =
        *folder_ / ("exchange-" + std::to_string(static_cast<int>(exchange)) + GetParam() + std::to_string(workers));
    const Results results = run_by_it({.run_directory = directory});
    EXPECT_EQ(hashes(results) == hashes(alone()), !has_a_choice_of_exchange() || adds_as_the_tree);
    EXPECT_EQ(hashes(results), hashes(run_by_it())) << "a function of the experiment, with its workers";
    for (const Replayed& model : replay(directory)) {
      EXPECT_TRUE(model.matches);
      EXPECT_EQ(model.identical, kEpochs);
    }
    if (!has_a_choice_of_exchange()) return;
    const std::uint64_t others = workers - 1;
    const std::uint64_t in_a_step = 8 * flags + kBufferBytes * others;
    const std::uint64_t in_a_unit = 32 * workers * others + 8 * 4 * others;
    const std::uint64_t beside = workers == 1 ? 0 : kModels * kEpochs * (kSteps * in_a_step + in_a_unit);
    EXPECT_EQ(results.network.gradient, results.predicted_gradient_bytes + beside);
    EXPECT_LT(static_cast<double>(beside), 0.01 * static_cast<double>(results.predicted_gradient_bytes) + 1)
        << "within 1 % of the formula";
  }
};

INSTANTIATE_TEST_SUITE_P(Strategies, GroupRun, testing::Values("allreduce", "averaging", "parameter_server"));

// An average has a round before it, and gives the integers of the buffers alone: the others are part of the mean.
TEST_P(GroupRun, GivesTheBitsOfOneWorkerAndSendsTheBytesOfTheFormula) {
  EXPECT_EQ(alone().network.gradient, 0U);
  for (const std::uint32_t workers : {2U, 3U, 4U, 5U}) {
    SCOPED_TRACE(workers);
    const Results results = run(experiment(workers)).results;
    expect_results_of_one_worker(results);
    const std::uint64_t members = std::min(workers, 4U), others = members - 1;
    const std::uint64_t flags = 8 * members * others;  // losses that are lost
    const std::uint64_t rounds = averages() ? 2 : kSteps;
    const std::uint64_t in_a_round = averages() ? 2 * flags + 8 * others : flags + kBufferBytes * others;
    const std::uint64_t in_a_unit = 32 * members * others + 8 * 4 * others;  // digests; a loss of each replica
    const std::uint64_t expected =
        results.predicted_gradient_bytes + kModels * kEpochs * (rounds * in_a_round + in_a_unit);
    // One of three members sends sums and the others values: the formula takes their parts for equal, to a block.
    const std::uint64_t unequal = averages() && members == 3 ? kModels * kEpochs * rounds * 64 : 0;
    EXPECT_NEAR(static_cast<double>(results.network.gradient), static_cast<double>(expected),
                static_cast<double>(unequal));
    EXPECT_EQ(results.network.hop, 2 * (kEpochs - 1) * (members - 1) * results.models[0].state_bytes)
        << "the parent, to each other member";
  }
}

using AveragingGroupRun = GroupRun;
INSTANTIATE_TEST_SUITE_P(Strategies, AveragingGroupRun, testing::Values("averaging"));

// An average after two passes: half of the bytes for each row that was trained.
TEST_P(AveragingGroupRun, SharesOnceInTheSeveralPassesOfAnEpoch) {
  const auto averaging = [](std::uint32_t workers, std::uint32_t passes) {
    Experiment e = experiment(workers);
    e.run.replicas.average_every.reset();
    e.run.replicas.average_passes = passes;
    return run(e).results;
  };
  const Results expected = averaging(1, 2), once = averaging(2, 1);
  for (const std::uint32_t workers : {2U, 3U, 4U}) {
    SCOPED_TRACE(workers);
    const Results results = averaging(workers, 2);
    EXPECT_EQ(hashes(results), hashes(expected));
    EXPECT_NE(hashes(results), hashes(once));
    for (const ModelResult& model : results.models) {
      ASSERT_EQ(model.curve.size(), kEpochs);
      for (const EpochMetrics& epoch : model.curve) EXPECT_EQ(epoch.rows, 2 * 330U);
    }
    if (workers != 2) continue;
    EXPECT_EQ(results.network.gradient, once.network.gradient);
  }
}

TEST_P(AveragingGroupRun, GivesTheBitsOfOneWorkerWhateverBecomesOfTheSlots) {
  for (const AverageState state : {AverageState::Keep, AverageState::Reset}) {
    const auto hashes_of = [&](std::uint32_t workers) {
      Experiment e = experiment(workers);
      e.run.replicas.average_state = state;
      return hashes(run(e).results);
    };
    const auto expected = hashes_of(1);
    EXPECT_NE(expected, hashes(alone()));
    EXPECT_EQ(hashes_of(2), expected);
    EXPECT_EQ(hashes_of(4), expected);
  }
}

// Both have the bytes of the formula, whatever the number of members. Averages of weights and servers have no other
// exchange.
TEST_P(GroupRun, ARingSendsTheSameBytesAndHasBitsOfItsOwn) {
  for (const std::uint32_t workers : {1U, 2U, 3U, 4U}) {
    SCOPED_TRACE(workers);
    const bool adds_as_the_tree = workers <= 2;
    expect_an_exchange(ReduceExchange::Ring, workers, adds_as_the_tree, workers * (workers - 1));
  }
}

TEST_P(GroupRun, HalvingAndDoublingSendsTheSameBytesAndHasBitsOfItsOwn) {
  const std::map<std::uint32_t, std::uint64_t> flags = {{1, 0}, {2, 2}, {3, 2 + 2}, {4, 8}};  // P log2 P + 2 (W - P)
  for (const auto& [workers, flags_of_a_step] : flags) {
    SCOPED_TRACE(workers);
    const bool adds_as_the_tree = workers != 3;  // 0 and 1, then the others
    expect_an_exchange(ReduceExchange::HalvingDoubling, workers, adds_as_the_tree, flags_of_a_step);
  }
}

using ServerGroupRun = GroupRun;
INSTANTIATE_TEST_SUITE_P(Strategies, ServerGroupRun, testing::Values("parameter_server"));

TEST_P(ServerGroupRun, HasTheBitsAndTheBytesOfOneServerWithAnyNumber) {
  std::uint64_t bytes = 0;
  for (const std::uint32_t servers : {1U, 2U, 3U, 9U}) {
    SCOPED_TRACE(servers);
    Experiment e = experiment(3);
    e.run.replicas.servers = servers;
    const Results results = run(e).results;
    expect_results_of_one_worker(results);
    if (servers == 1) bytes = results.network.gradient;
    EXPECT_EQ(results.network.gradient, bytes);
  }
}

TEST_P(ServerGroupRun, AppliesLateGradientsWithTheSameBitsForAnyNumberOfWorkers) {
  const auto late = [](std::uint32_t workers) {
    Experiment e = experiment(workers);
    e.run.replicas.staleness = 2;
    e.search.space.emplace_back("schedule", Choices{std::string("cosine")});
    e.search.space.emplace_back("clip_grad_norm", Choices{0.5});
    const fs::path directory = *folder_ / ("late" + std::to_string(workers));
    const auto trained = hashes(run(e, {.run_directory = directory}).results);
    for (const Replayed& model : replay(directory)) EXPECT_EQ(model.identical, kEpochs);
    return trained;
  };
  const auto expected = late(1);
  EXPECT_NE(expected, hashes(alone()));
  EXPECT_EQ(late(2), expected);
  EXPECT_EQ(late(4), expected);
}

TEST_P(GroupRun, AWorkerHoldsItsPartOfTheData) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  const auto& partitions = data.manifest().partitions;
  EXPECT_EQ(run(experiment(2)).results.data_bytes_per_worker,
            partitions[0].bytes + partitions[1].bytes + data.manifest().validation->bytes);
}

TEST_P(GroupRun, ReplaysOnOneMachine) {
  const fs::path directory = *folder_ / (std::string(GetParam()) + "-replayed");
  expect_results_of_one_worker(run(experiment(4), {.run_directory = directory}).results);
  for (const Replayed& model : replay(directory)) {
    EXPECT_TRUE(model.matches);
    EXPECT_EQ(model.identical, kEpochs);
  }
}

}  // namespace
}  // namespace hop::hopper
