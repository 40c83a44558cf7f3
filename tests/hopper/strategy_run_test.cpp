// Whole runs with every strategy: real training, workers as threads. The judge is hopping on one worker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "autograd/ops.h"
#include "base/error.h"
#include "data/dataset.h"
#include "data/glyphs.h"
#include "hopper/run.h"
#include "hopper/strategy/task_parallel.h"
#include "tests/hopper/hashes.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// A strategy of an application: a unit is half of the model's way round, on any worker.
struct Halves final : Strategy {
  static std::uint32_t half(const Spread& spread) { return (spread.partitions + 1) / 2; }
  std::uint32_t units_per_epoch(const Spread& spread) const override { return std::min(spread.partitions, 2U); }
  PartitionId begin(const Spread& spread, ModelId model, std::uint32_t place) const override {
    return spread.after(spread.start(model), place * half(spread));
  }
  std::vector<PartitionId> passes(const Spread& spread, PartitionId first) const override {
    std::vector<PartitionId> all;
    for (std::uint32_t i = 0; i < half(spread); ++i) all.push_back(spread.after(first, i));
    return all;
  }
  std::optional<WorkerId> only_worker(const Spread&, PartitionId) const override { return std::nullopt; }
  bool holds(const Spread&, WorkerId, PartitionId) const override { return true; }
  std::uint32_t most_workers(std::uint32_t) const override { return 64; }
  std::string_view default_policy(Order) const override { return "greedy"; }
  std::shared_ptr<Exchange> exchange() const override { return exchange_; }

  explicit Halves(std::shared_ptr<Exchange> exchange = nullptr) : exchange_(std::move(exchange)) {}
  std::shared_ptr<Exchange> exchange_;
};

struct Doubling final : Exchange {
  void exchange(const Tensor& gradients, std::int64_t) override {
    for (std::int64_t i = 0; i < gradients.numel(); ++i) gradients.data<float>()[i] *= 2;
  }
};

class StrategyRun : public testing::Test {
 protected:
  static constexpr std::uint32_t kPartitions = 4, kEpochs = 3;

  // 330 rows: partitions of 83, 83, 82 and 82, so that batches of 16 leave a short last one.
  static void SetUpTestSuite() {
    folder_.emplace();
    data::write_dataset(data::glyphs({.train_rows = 330, .test_rows = 64}), *folder_ / "data",
                        {.name = "glyphs", .partitions = kPartitions, .validation = data::Validation::file()});
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static Experiment experiment(const NameOr<StrategyMaker>& strategy = "hopping", std::uint32_t workers = 1) {
    Experiment e;
    e.name = "toy";
    e.seed = 11;
    e.data.source = *folder_ / "data";
    e.model.layers = {"flatten", "dropout 0.1", "linear 12", "relu", "linear 10"};
    e.search.epochs = kEpochs;
    e.search.space = {{"lr", Choices{0.01, 0.003, 0.001}},
                      {"batch_size", Choices{std::int64_t{16}}},
                      {"optimizer", Choices{std::string("adam")}}};
    e.run.strategy = strategy;
    e.run.workers = workers;
    return e;
  }
  static fs::path fresh(const std::string& name) { return *folder_ / name; }

  static const Results& of_hopping() {
    static const Results results = run(experiment()).results;
    return results;
  }
  static void expect_results_of_hopping(const Results& results) {
    EXPECT_EQ(hashes(results), hashes(of_hopping()));
    for (const ModelResult& model : results.models) {
      const ModelResult& expected = of_hopping().model(model.id);
      EXPECT_EQ(model.status, "finished");
      EXPECT_EQ(model.epochs, kEpochs);
      EXPECT_EQ(model.train_loss, expected.train_loss);
      EXPECT_EQ(model.valid_loss, expected.valid_loss);
      EXPECT_EQ(model.valid_accuracy, expected.valid_accuracy);
    }
  }

  static inline std::optional<TemporaryFolder> folder_;
};

TEST_F(StrategyRun, TaskParallelGivesTheBitsAndTheMetricsOfHopping) {
  for (const std::uint32_t workers : {1U, 2U, 3U, 5U}) {
    SCOPED_TRACE(workers);
    const Results results = run(experiment("task_parallel", workers)).results;
    expect_results_of_hopping(results);
    for (const ModelResult& model : results.models) EXPECT_EQ(model.visits.size(), kEpochs) << "a unit is an epoch";
    EXPECT_LE(results.hops, workers == 1 ? 0U : 2U) << "a model leaves its worker only for an idle one";
  }
  Experiment eager = experiment("task_parallel", 2);
  eager.run.capture = false;
  eager.run.durable = false;
  eager.run.policy = "greedy";
  expect_results_of_hopping(run(eager).results);
}

TEST_F(StrategyRun, ResultsSayTheStrategyAndWhatANodeHolds) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  std::uint64_t all = data.manifest().validation->bytes;
  for (const data::PartitionEntry& partition : data.manifest().partitions) all += partition.bytes;
  const Results tasks = run(experiment("task_parallel", 2), {.run_directory = fresh("tasks")}).results;
  const Results hops = run(experiment("hopping", 2)).results;
  EXPECT_EQ(tasks.data_bytes_per_worker, all);
  EXPECT_LT(hops.data_bytes_per_worker, all);
  std::ifstream file(fresh("tasks") / "results.json");
  const auto json = nlohmann::json::parse(file);
  EXPECT_EQ(json["strategy"], "task_parallel");
  EXPECT_EQ(json["memory"]["data_bytes_per_worker"], all);
  ASSERT_EQ(json["models"][1]["visits"].size(), kEpochs);
  EXPECT_EQ(json["models"][1]["visits"][2][0], 2);
  EXPECT_EQ(json["models"][1]["visits"][2][1], 2) << "the partition with which model 1 begins";
  std::uint64_t moved = 0;
  for (const ModelResult& model : tasks.models) moved += model.hops * model.state_bytes;
  EXPECT_EQ(tasks.network.hop, moved);
}

TEST_F(StrategyRun, TasksReplayBitForBit) {
  run(experiment("task_parallel", 2), {.run_directory = fresh("replayed")});
  for (const Replayed& model : replay(fresh("replayed"))) {
    EXPECT_TRUE(model.matches);
    EXPECT_EQ(model.identical, kEpochs);
  }
}

TEST_F(StrategyRun, TasksThatAreBrokenOffGoOnToTheSameBits) {
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
    Results results = run(experiment("task_parallel", 2), options).results;
    for (int tries = 0; results.outcome == Outcome::Interrupted; ++tries) {
      ASSERT_LT(tries, 10);
      results = resume(directory).results;
    }
    expect_results_of_hopping(results);
  }
}

TEST_F(StrategyRun, ADivergedTaskStopsWhereItWouldStopHopping) {
  const auto diverging = [](const NameOr<StrategyMaker>& strategy) {
    Experiment e = experiment(strategy, 2);
    e.search.space[0].second = Choices{1e9, 0.001};
    e.search.space[2].second = Choices{std::string("sgd")};
    return run(e).results;
  };
  const Results hops = diverging("hopping"), tasks = diverging("task_parallel");
  EXPECT_EQ(tasks.models[0].status, "diverged");
  EXPECT_EQ(tasks.models[1].status, "finished");
  EXPECT_EQ(hashes(tasks), hashes(hops));
}

// Successive halving stops models, and every epoch's end counts.
TEST_F(StrategyRun, ASearchDecidesAlike) {
  const auto halving = [](const NameOr<StrategyMaker>& strategy, std::uint32_t workers) {
    Experiment e = experiment(strategy, workers);
    e.search.method = "halving";
    e.search.epochs = 4;
    e.search.space[0].second = Choices{0.01, 0.003, 0.001, 0.03};
    e.search.settings = {{"samples", std::int64_t{4}}};
    return run(e).results;
  };
  const Results hops = halving("hopping", 1), tasks = halving("task_parallel", 3);
  EXPECT_EQ(hashes(tasks), hashes(hops));
  for (const ModelResult& model : tasks.models) {
    EXPECT_EQ(model.status, hops.model(model.id).status);
    EXPECT_EQ(model.epochs, hops.model(model.id).epochs);
  }
}

// ---- a strategy of the application

TEST_F(StrategyRun, AStrategyMayBeTheApplications) {
  const StrategyMaker halves = [] { return std::make_shared<Halves>(); };
  const Experiment e = experiment(halves, 2);
  const Results results = run(e, {.run_directory = fresh("halves")}).results;
  expect_results_of_hopping(results);
  for (const ModelResult& model : results.models) EXPECT_EQ(model.visits.size(), 2 * kEpochs);
  for (const Replayed& model : replay(fresh("halves"), {}, {}, e)) EXPECT_TRUE(model.matches);
  EXPECT_EQ(hashes(resume(fresh("halves"), {}, e).results), hashes(results));
  try {
    inspect(fresh("halves"));
    FAIL() << "nobody knows what a unit was";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("[run] strategy: \"own code\" stands for an object"));
  }
  Experiment free = e;
  free.run.order = Order::Free;
  EXPECT_EQ(run(free).results.models[0].visits.size(), 2 * kEpochs);
}

TEST_F(StrategyRun, AStrategyStandsBetweenBackwardAndUpdateInRunAndReplay) {
  const auto with_sgd = [](Experiment e) {
    e.search.space[2].second = Choices{std::string("sgd")};
    return e;
  };
  const StrategyMaker doubling = [] { return std::make_shared<Halves>(std::make_shared<Doubling>()); };
  const Experiment e = with_sgd(experiment(doubling, 2));
  const Results doubled = run(e, {.run_directory = fresh("doubled")}).results;
  Experiment twice = with_sgd(experiment());
  twice.model.loss = [](const Tensor& output, const Tensor& y) { return cross_entropy(output, y) * 2.0; };
  EXPECT_EQ(hashes(doubled), hashes(run(twice).results));
  for (const Replayed& model : replay(fresh("doubled"), {}, {}, e)) EXPECT_TRUE(model.matches);
}

TEST_F(StrategyRun, AnObjectIsCheckedBeforeItRuns) {
  const auto error_of = [](const Experiment& e, const RunOptions& options = {}) -> std::string {
    try {
      run(e, options);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_of(experiment(StrategyMaker([] { return nullptr; }))),
              HasSubstr("[run] strategy: expected an object"));
  const Experiment own = experiment(StrategyMaker([] { return std::make_shared<Halves>(); }));
  EXPECT_THAT(error_of(own, {.hosting = Hosting::Processes, .program = "hop"}), HasSubstr("a strategy that is the"));
}

}  // namespace
}  // namespace hop::hopper
