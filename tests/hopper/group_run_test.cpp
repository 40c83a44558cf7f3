// Whole runs of allreduce by groups of workers: real training, real exchange between threads. The judge is one worker,
// which exchanges nothing. tests/cli/faults_test.cpp kills members that are processes.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>

#include "data/dataset.h"
#include "hopper/run.h"
#include "tests/hopper/glyphs.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;

// 330 rows: partitions of 83, 83, 82 and 82.
class GroupRun : public OnGlyphs<330, 4> {
 protected:
  static constexpr std::uint32_t kModels = 2, kEpochs = 3, kSteps = 6;
  static constexpr std::uint64_t kBufferBytes = 12 * 4 + 12 * 4 + 8;  // of batchnorm1d: mean, variance, count

  static Experiment experiment(std::uint32_t workers) {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.model.layers = {"flatten", "dropout 0.1", "linear 12", "batchnorm1d", "relu", "linear 10"};
    e.search.epochs = kEpochs;
    e.search.space = {{"lr", Choices{0.01, 0.003}},
                      {"batch_size", Choices{std::int64_t{16}}},
                      {"optimizer", Choices{std::string("adam")}}};
    e.run.strategy = "allreduce";
    e.run.workers = workers;
    return e;
  }
  static std::map<std::uint32_t, std::string> hashes(const Results& results) {
    std::map<std::uint32_t, std::string> hashes;
    for (const ModelResult& model : results.models) hashes[model.id.value] = model.state_sha256;
    return hashes;
  }
  static const Results& alone() {
    static const Results results = run(experiment(1)).results;
    return results;
  }
  static void expect_results_of_one_worker(const Results& results) {
    EXPECT_EQ(hashes(results), hashes(alone()));
    for (const ModelResult& model : results.models) {
      EXPECT_EQ(model.status, "finished");
      EXPECT_EQ(model.train_loss, alone().model(model.id).train_loss);
      EXPECT_EQ(model.valid_loss, alone().model(model.id).valid_loss);
    }
  }
};

TEST_F(GroupRun, GivesTheBitsOfOneWorkerAndSendsTheBytesOfTheFormula) {
  EXPECT_EQ(alone().network.gradient, 0U);
  for (const std::uint32_t workers : {2U, 3U, 4U, 5U}) {
    SCOPED_TRACE(workers);
    const Results results = run(experiment(workers)).results;
    expect_results_of_one_worker(results);
    const std::uint64_t members = std::min(workers, 4U), others = members - 1;
    const std::uint64_t in_a_step = 8 * members * others + kBufferBytes * others;  // losses that are lost; buffers
    const std::uint64_t in_a_unit = 32 * members * others + 8 * 4 * others;        // digests; a loss of each replica
    EXPECT_EQ(results.network.gradient,
              results.predicted_gradient_bytes + kModels * kEpochs * (kSteps * in_a_step + in_a_unit));
    EXPECT_EQ(results.network.hop, 2 * (kEpochs - 1) * (members - 1) * results.models[0].state_bytes)
        << "the parent, to each other member";
  }
}

// A ring has the bytes of the formula, whatever the number of members. Two of them add as the tree does.
TEST_F(GroupRun, ARingSendsTheSameBytesAndHasBitsOfItsOwn) {
  const auto in_a_ring = [](std::uint32_t workers, const RunOptions& options = {}) {
    Experiment e = experiment(workers);
    e.run.replicas.reduce_exchange = ReduceExchange::Ring;
    return run(e, options).results;
  };
  for (const std::uint32_t workers : {1U, 2U, 3U, 4U}) {
    SCOPED_TRACE(workers);
    const fs::path directory = *folder_ / ("ring-" + std::to_string(workers));
    const Results results = in_a_ring(workers, {.run_directory = directory});
    const std::uint64_t others = workers - 1;
    const std::uint64_t in_a_step = 8 * workers * others + kBufferBytes * others;
    const std::uint64_t in_a_unit = 32 * workers * others + 8 * 4 * others;
    const std::uint64_t beside = workers == 1 ? 0 : kModels * kEpochs * (kSteps * in_a_step + in_a_unit);
    EXPECT_EQ(results.network.gradient, results.predicted_gradient_bytes + beside);
    EXPECT_LT(static_cast<double>(beside), 0.01 * static_cast<double>(results.predicted_gradient_bytes) + 1)
        << "within 1 % of the formula";
    EXPECT_EQ(hashes(results) == hashes(alone()), workers <= 2);
    EXPECT_EQ(hashes(results), hashes(in_a_ring(workers))) << "a function of the experiment, with its workers";
    for (const Replayed& model : replay(directory)) {
      EXPECT_TRUE(model.matches);
      EXPECT_EQ(model.identical, kEpochs);
    }
  }
}

TEST_F(GroupRun, AWorkerHoldsItsPartOfTheData) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  const auto& partitions = data.manifest().partitions;
  EXPECT_EQ(run(experiment(2)).results.data_bytes_per_worker,
            partitions[0].bytes + partitions[1].bytes + data.manifest().validation->bytes);
}

TEST_F(GroupRun, ReplaysOnOneMachine) {
  const fs::path directory = *folder_ / "replayed";
  expect_results_of_one_worker(run(experiment(4), {.run_directory = directory}).results);
  for (const Replayed& model : replay(directory)) {
    EXPECT_TRUE(model.matches);
    EXPECT_EQ(model.identical, kEpochs);
  }
}

}  // namespace
}  // namespace hop::hopper
