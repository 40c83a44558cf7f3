// Whole runs in one process: workers as threads, messages through memory. Small models on a small set, real training.
// Long because every property of a whole run stands beside the others, on one set of data.
#include "hopper/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "autograd/ops.h"
#include "base/error.h"
#include "hopper/journal.h"
#include "nn/layers.h"
#include "tests/hopper/glyphs.h"
#include "tests/hopper/hashes.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class Run : public OnGlyphs<640, 4> {
 protected:
  // Four models, two epochs: 32 units of 160 rows.
  static Experiment experiment() {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.model.layers = {"flatten", "dropout 0.1", "linear $width", "relu", "linear 10"};
    e.search.epochs = 2;
    e.search.space = {{"lr", Choices{0.01, 0.001}},
                      {"width", Choices{std::int64_t{16}, std::int64_t{8}}},
                      {"batch_size", Choices{std::int64_t{32}}},
                      {"optimizer", Choices{std::string("adam")}}};
    return e;
  }

  static fs::path fresh(const std::string& name) { return *folder_ / name; }

  // The states of an undisturbed run with one worker.
  static const std::map<std::uint32_t, std::string>& expected_hashes() {
    static const auto expected = [] {
      Experiment e = experiment();
      e.run.workers = 1;
      return hashes(run(e).results);
    }();
    return expected;
  }
};

TEST_F(Run, GivesTheSameBitsForAnyNumberOfWorkers) {
  ASSERT_EQ(expected_hashes().size(), 4U);
  for (const auto& [id, sha256] : expected_hashes()) EXPECT_EQ(sha256.size(), 64U) << id;
  for (const std::uint32_t workers : {2U, 4U}) {
    Experiment e = experiment();
    e.run.workers = workers;
    EXPECT_EQ(hashes(run(e).results), expected_hashes()) << workers;
  }
}

TEST_F(Run, GivesTheSameBitsWithoutDurableStates) {
  Experiment e = experiment();
  e.run.durable = false;
  EXPECT_EQ(hashes(run(e).results), expected_hashes());
}

TEST_F(Run, VisitsEveryPartitionOncePerEpochAndReportsIt) {
  const Results results = run(experiment()).results;
  for (const ModelResult& model : results.models) {
    EXPECT_EQ(model.status, "finished");
    EXPECT_EQ(model.epochs, 2U);
    std::map<std::pair<std::uint32_t, std::uint32_t>, int> visits;
    for (const Visit& visit : model.visits) ++visits[{visit.epoch.value, visit.partition.value}];
    EXPECT_EQ(visits.size(), 8U);
    ASSERT_TRUE(model.valid_accuracy.has_value());
    EXPECT_GT(model.state_bytes, 0U);
  }
  ASSERT_TRUE(results.best.has_value());
}

TEST_F(Run, RecordsWhatItsBitsDependOn) {
  const Results results = run(experiment(), {.run_directory = fresh("arithmetic")}).results;
  ASSERT_EQ(results.arithmetic.size(), results.workers);
  EXPECT_THAT(results.arithmetic.front(), testing::StartsWith(results.isa));
  EXPECT_THAT(results.arithmetic.front(), testing::HasSubstr("oneDNN " + results.versions.at("onednn")));
  EXPECT_EQ(inspect(results.run_directory).arithmetic, results.arithmetic) << "and whoever reads it later knows, too";
}

TEST_F(Run, MovesExactlyTheStatesThatHopAndNothingElse) {
  const Results results = run(experiment()).results;
  std::uint64_t expected = 0, collected = 0;
  for (const ModelResult& model : results.models) {
    expected += model.hops * model.state_bytes;
    collected += model.state_bytes;
    EXPECT_LE(model.hops, 2U * 2U) << "at most W hops per epoch";
  }
  EXPECT_GT(expected, 0U);
  EXPECT_EQ(results.network.hop, expected);
  EXPECT_EQ(results.network.collect, collected);
}

TEST_F(Run, InFreeOrderIsReplayedBitForBit) {
  Experiment e = experiment();
  e.run.order = Order::Free;
  e.run.workers = 3;
  const Results results = run(e, {.run_directory = fresh("free")}).results;
  const std::vector<Replayed> replayed = replay(fresh("free"));
  ASSERT_EQ(replayed.size(), 4U);
  for (const Replayed& model : replayed) {
    EXPECT_TRUE(model.matches);
    EXPECT_EQ(model.identical, 8U);
    EXPECT_EQ(model.sha256, results.model(model.model).state_sha256);
  }
}

TEST_F(Run, AnotherSeedGivesOtherWeights) {
  Experiment e = experiment();
  e.seed = 12;
  EXPECT_NE(hashes(run(e).results).at(0), expected_hashes().at(0));
}

// Stops when a few units are committed, whatever the speed of the machine.
RunOptions stop_after(std::uint64_t units, RunControl& control, bool abort) {
  RunOptions options;
  options.control = &control;
  options.progress_interval = std::chrono::milliseconds(1);
  options.on_progress = [units, &control, abort](const RunProgress& progress) {
    if (progress.units_done < units) return;
    if (abort)
      control.abort();
    else
      control.stop();
  };
  return options;
}

TEST_F(Run, InterruptedOnceFinishesUnitsInFlightAndResumesToTheSameBits) {
  RunControl control;
  RunOptions options = stop_after(3, control, false);
  options.run_directory = fresh("stopped");
  Experiment e = experiment();
  e.search.epochs = 40;  // long enough that the stop comes in time
  e.search.space[0].second = Choices{0.001};
  const Results stopped = run(e, options).results;
  ASSERT_EQ(stopped.outcome, Outcome::Interrupted);
  EXPECT_EQ(stopped.models[0].status, "interrupted");
  const Results resumed = resume(fresh("stopped")).results;
  EXPECT_EQ(resumed.outcome, Outcome::Completed);
  e.run.workers = 1;
  EXPECT_EQ(hashes(resumed), hashes(run(e).results));
}

TEST_F(Run, ResumedWithAnotherArithmeticGoesOnAndSaysSoOnce) {
  RunControl control;
  RunOptions options = stop_after(3, control, false);
  options.run_directory = fresh("elsewhere");
  std::vector<std::string> lines;
  options.on_notice = [&](const std::string& line) { lines.push_back(line); };
  Experiment e = experiment();
  e.search.epochs = 40;
  e.run.workers = 1;  // of two, one may do the three units before the other is ready
  const Results stopped = run(e, options).results;
  ASSERT_EQ(stopped.outcome, Outcome::Interrupted);
  EXPECT_EQ(stopped.arithmetic_changes.size(), 0U);
  EXPECT_EQ(lines.size(), 0U);
  const std::string here = stopped.arithmetic.front();
  {  // as if it had been interrupted on another machine
    JournalContents contents;
    Journal journal = Journal::open(fresh("elsewhere") / "journal", contents);
    journal.append(record::Arithmetic{WorkerId(0), "an abacus"});
    journal.sync();
  }
  EXPECT_EQ(inspect(fresh("elsewhere")).arithmetic.front(), "an abacus");
  options.control = nullptr;
  options.on_progress = nullptr;
  const Results resumed = resume(fresh("elsewhere"), options).results;
  EXPECT_EQ(resumed.outcome, Outcome::Completed);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], testing::HasSubstr("computes with " + here + ", and before with an abacus"));
  std::ifstream log(fresh("elsewhere") / "log");
  std::string logged;
  std::getline(log, logged);
  EXPECT_EQ(logged, lines[0]);
  std::ifstream file(fresh("elsewhere") / "results.json");
  const auto changes = nlohmann::json::parse(file)["arithmetic_changes"];
  EXPECT_EQ(changes.size(), 2U) << "there and back";
  EXPECT_EQ(changes.back()["before"], "an abacus");
  EXPECT_EQ(changes.back()["after"], here);
}

TEST_F(Run, AbortedAtOnceResumesToTheSameBits) {
  RunControl control;
  RunOptions options = stop_after(3, control, true);
  options.run_directory = fresh("aborted");
  Results results = run(experiment(), options).results;
  for (int tries = 0; results.outcome == Outcome::Interrupted; ++tries) {
    ASSERT_LT(tries, 10);
    results = resume(fresh("aborted")).results;
  }
  EXPECT_EQ(hashes(results), expected_hashes());
}

TEST_F(Run, ADivergedModelHarmsNoOther) {
  Experiment e = experiment();
  e.search.space[0].second = Choices{1e9, 0.001};
  e.search.space[3].second = Choices{std::string("sgd")};
  e.run.workers = 2;
  const RunResult result = run(e, {.run_directory = fresh("diverged")});
  EXPECT_EQ(result.results.models[0].status, "diverged");
  EXPECT_EQ(result.results.models[1].status, "diverged");
  EXPECT_EQ(result.results.models[2].status, "finished");
  EXPECT_EQ(result.results.models[3].status, "finished");
  std::ifstream file(fresh("diverged") / "results.json");
  const auto json = nlohmann::json::parse(file);  // NaN would not parse
  EXPECT_TRUE(json["models"][0]["train_loss"].is_null());
  EXPECT_EQ(json["models"][2]["state_sha256"], result.results.models[2].state_sha256);
}

TEST_F(Run, KeepsItsFilesAndReportsFromThem) {
  const Results results = run(experiment(), {.run_directory = fresh("files")}).results;
  for (const char* name : {"experiment.toml", "journal", "results.json", "models/0.hop", "models/3.hop"}) {
    EXPECT_TRUE(fs::exists(fresh("files") / name)) << name;
  }
  const Results read = inspect(fresh("files"));
  EXPECT_EQ(hashes(read), hashes(results));
  EXPECT_EQ(leaderboard(read), leaderboard(results));
  EXPECT_THROW(run(experiment(), {.run_directory = fresh("files")}), ConfigError);
  EXPECT_EQ(hashes(resume(fresh("files")).results), hashes(results)) << "resuming a finished run changes nothing";
}

TEST_F(Run, RefusesAChangedExperimentFile) {
  run(experiment(), {.run_directory = fresh("changed")});
  std::ofstream(fresh("changed") / "experiment.toml", std::ios::app) << "# a note\n";
  EXPECT_THROW(resume(fresh("changed")), ConfigError);
}

TEST_F(Run, ThatCannotBeginLeavesNothingBehind) {
  Experiment too_many = experiment();
  too_many.run.workers = 5;
  EXPECT_THROW(run(too_many, {.run_directory = fresh("none")}), ConfigError);
  Experiment no_data = experiment();
  no_data.data.source = *folder_ / "nowhere";
  EXPECT_THROW(run(no_data, {.run_directory = fresh("none")}), DataError);
  Experiment misfit = experiment();
  misfit.model.layers = {"conv2d 4 99", "flatten", "linear 10"};
  EXPECT_THROW(run(misfit, {.run_directory = fresh("none")}), ConfigError);
  Experiment typo = experiment();
  typo.search.space[0].first = "learning_rate";
  EXPECT_THROW(run(typo, {.run_directory = fresh("none")}), ConfigError);
  EXPECT_FALSE(fs::exists(fresh("none")));
}

struct Perceptron : nn::Module {
  Perceptron(std::int64_t width, std::int64_t classes)
      : hidden(register_module("hidden", nn::Linear(784, width))),
        out(register_module("out", nn::Linear(width, classes))) {}
  Tensor forward(const Tensor& x) override { return out(relu(hidden(flatten(x, 1)))); }
  nn::Linear hidden, out;
};

TEST_F(Run, TrainsAModelOfTheApplicationAndGivesTheBestBack) {
  Experiment e = experiment();
  e.model.layers.clear();
  std::atomic<int> built = 0;
  e.model.builder = [&built](const Config& config, const ModelInput& input) {
    ++built;
    EXPECT_EQ(input.sample, (Shape{1, 28, 28}));
    return std::make_shared<Perceptron>(config.integer("width"), input.classes);
  };
  const RunResult result = run(e);
  EXPECT_GT(built, 0);
  ASSERT_NE(result.best_model, nullptr);
  const NoGradGuard no_grad;
  const Tensor scores = (*result.best_model)(zeros({2, 1, 28, 28}));
  EXPECT_EQ(scores.shape(), (Shape{2, 10}));
  EXPECT_TRUE(result.results.run_directory.empty());
}

// Threads that train give way to threads that move states. The application's own threads stay as they are.
TEST_F(Run, ComputesWithALowerPriorityThanItMovesStates) {
  struct Probe : Perceptron {
    Probe(std::atomic<int>& where, std::int64_t classes) : Perceptron(8, classes), niceness(where) {}
    Tensor forward(const Tensor& x) override {
      niceness = getpriority(PRIO_PROCESS, static_cast<id_t>(gettid()));
      return Perceptron::forward(x);
    }
    std::atomic<int>& niceness;
  };
  const int before = getpriority(PRIO_PROCESS, 0);
  if (before == 19) GTEST_SKIP() << "this process has the lowest priority already: none is lower";
  std::atomic<int> niceness = before;
  Experiment e = experiment();
  e.model.layers.clear();
  e.model.builder = [&niceness](const Config&, const ModelInput& input) {
    return std::make_shared<Probe>(niceness, input.classes);
  };
  run(e);
  EXPECT_GT(niceness, before);
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), before);
}

TEST_F(Run, SurvivesABuilderThatThrows) {
  Experiment e = experiment();
  e.model.layers.clear();
  e.model.builder = [](const Config&, const ModelInput&) -> std::shared_ptr<nn::Module> {
    throw ConfigError("no model today");
  };
  EXPECT_THROW(run(e), ConfigError);
}

}  // namespace
}  // namespace hop::hopper
