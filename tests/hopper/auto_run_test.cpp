// Whole runs with strategy = "auto": real measuring, real training, workers as threads. The judge of the bits is
// hopping on one worker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "data/dataset.h"
#include "hopper/detail/auto_strategy.h"
#include "hopper/detail/link_speed.h"
#include "hopper/detail/pilot.h"
#include "hopper/detail/run_directory.h"
#include "hopper/detail/status_file.h"
#include "hopper/run.h"
#include "tests/hopper/glyphs.h"
#include "tests/hopper/hashes.h"

namespace hop::hopper {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing::ThrowsMessage;

// 330 rows: partitions of 83, 83, 82 and 82.
class AutoRun : public OnGlyphs<330, 4> {
 protected:
  static Experiment experiment(const std::string& strategy = "auto", std::uint32_t workers = 2) {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.model.layers = {"flatten", "dropout 0.1", "linear $width", "relu", "linear 10"};
    e.search.epochs = 3;
    e.search.space = {{"width", Choices{std::int64_t{12}, std::int64_t{20}}},
                      {"lr", Choices{0.01, 0.003}},
                      {"batch_size", Choices{std::int64_t{16}}},
                      {"optimizer", Choices{std::string("adam")}}};
    e.run.strategy = strategy;
    e.run.workers = workers;
    return e;
  }
  static fs::path fresh(const std::string& name) { return *folder_ / name; }
  static data::Dataset dataset() { return data::Dataset::open(*folder_ / "data"); }
  static std::string text_of(const fs::path& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
  }
  static const Results& of_hopping() {
    static const Results results = run(experiment("hopping", 1)).results;
    return results;
  }
};

TEST_F(AutoRun, MeasuresChoosesAndSaysWhyOnce) {
  std::vector<std::string> lines;
  RunOptions options{.run_directory = fresh("two")};
  options.on_notice = [&](const std::string& line) {
    if (line.starts_with("strategy = \"auto\" chose ")) lines.push_back(line);
  };
  const Results results = run(experiment(), options).results;
  EXPECT_THAT(results.strategy, AnyOf("hopping", "task_parallel"));
  EXPECT_EQ(hashes(results), hashes(of_hopping())) << "the choice does not show in the bits";
  EXPECT_THAT(results.strategy_choice, AllOf(StartsWith(results.strategy + ": predicted"), HasSubstr("measured"),
                                             HasSubstr("4 models"), HasSubstr("4 partitions, 2 workers")));
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0], "strategy = \"auto\" chose " + results.strategy_choice);
  EXPECT_THAT(text_of(fresh("two") / "log"), HasSubstr(lines[0]));
  const auto json = nlohmann::json::parse(text_of(fresh("two") / "results.json"));
  EXPECT_EQ(json["strategy"], results.strategy);
  EXPECT_EQ(json["strategy_choice"], results.strategy_choice);
}

TEST_F(AutoRun, KeepsItsChoiceInReplayAndResume) {
  const Results results = run(experiment(), {.run_directory = fresh("kept")}).results;
  EXPECT_THAT(text_of(fresh("kept") / "experiment.toml"),
              AllOf(HasSubstr("strategy = \"" + results.strategy + '"'), Not(HasSubstr("strategy = \"auto\""))));
  for (const Replayed& model : replay(fresh("kept"))) EXPECT_TRUE(model.matches);
  const Results again = resume(fresh("kept")).results;
  EXPECT_EQ(again.strategy_choice, results.strategy_choice);
  EXPECT_EQ(hashes(again), hashes(results));
  EXPECT_EQ(inspect(fresh("kept")).strategy_choice, results.strategy_choice);
}

// The journal has the digest of the file in which the choice stands.
TEST_F(AutoRun, RefusesAnotherChoiceAfterwards) {
  const std::string chosen = run(experiment(), {.run_directory = fresh("changed")}).results.strategy;
  const fs::path file = fresh("changed") / "experiment.toml";
  std::string text = text_of(file);
  const std::string before = "strategy = \"" + chosen + '"', other = chosen == "hopping" ? "task_parallel" : "hopping";
  text.replace(text.find(before), before.size(), "strategy = \"" + other + '"');
  std::ofstream(file) << text;
  EXPECT_THAT([&] { resume(fresh("changed")); },
              ThrowsMessage<ConfigError>(HasSubstr("was changed since the run began")));
}

TEST_F(AutoRun, GoesOnWithItsChoiceWhenItWasBrokenOff) {
  const fs::path directory = fresh("broken");
  RunControl control;
  RunOptions options{.run_directory = directory, .progress_interval = std::chrono::milliseconds(1)};
  options.control = &control;
  options.on_progress = [&](const RunProgress& progress) {
    if (progress.units_done >= 2) control.abort();
  };
  Results results = run(experiment(), options).results;
  const std::string strategy = results.strategy, why = results.strategy_choice;
  for (int tries = 0; results.outcome == Outcome::Interrupted; ++tries) {
    ASSERT_LT(tries, 10);
    results = resume(directory).results;
  }
  EXPECT_EQ(results.strategy, strategy);
  EXPECT_EQ(results.strategy_choice, why);
  EXPECT_EQ(hashes(results), hashes(of_hopping()));
}

// As if the process had been killed between the file and the journal: the choice is neither lost nor made again.
TEST_F(AutoRun, AChoiceWithoutAJournalStands) {
  const fs::path directory = fresh("young");
  run(experiment(), {.run_directory = directory});
  for (const char* name : {"journal", "results.json", "nodes", "models"}) fs::remove_all(directory / name);
  std::string text = text_of(directory / "experiment.toml");
  const std::size_t at = text.find("predicted");
  ASSERT_NE(at, std::string::npos);
  text.replace(at, 9, "PREDICTED");  // a text that nobody would measure
  std::ofstream(directory / "experiment.toml") << text;
  const Results results = resume(directory).results;
  EXPECT_THAT(results.strategy_choice, HasSubstr("PREDICTED"));
  EXPECT_EQ(hashes(results), hashes(of_hopping()));
}

TEST_F(AutoRun, TakesTheOnlyOneWithoutMeasuring) {
  const Results results = run(experiment("auto", 5)).results;
  EXPECT_EQ(results.strategy, "task_parallel");
  EXPECT_THAT(results.strategy_choice,
              AllOf(HasSubstr("5 workers, and work for 4"), HasSubstr("Nothing was measured")));
  EXPECT_EQ(hashes(results), hashes(of_hopping()));
  Experiment free = experiment();
  free.run.order = Order::Free;
  EXPECT_EQ(run(free).results.strategy, "hopping");
}

TEST_F(AutoRun, ChoosesOtherBitsOnlyWhereTheyAreAllowed) {
  Experiment allowed = experiment();
  allowed.run.choose_from = {"allreduce"};
  const Results chosen = run(allowed).results;
  EXPECT_EQ(chosen.strategy, "allreduce");
  EXPECT_EQ(hashes(chosen), hashes(run(experiment("allreduce")).results));
  EXPECT_NE(hashes(chosen), hashes(of_hopping()));
}

TEST_F(AutoRun, ANewRunForgetsAnOldChoice) {
  Experiment e = experiment("hopping");
  e.run.strategy_choice = "of another run";
  EXPECT_EQ(run(e).results.strategy_choice, "");
}

TEST_F(AutoRun, MeasuresNoMachineThatHasNotCome) {
  const RunOptions remote{.hosting = Hosting::Remote};
  Experiment e = experiment();
  EXPECT_THAT(settle_strategy(e, dataset(), remote), HasSubstr("chose hopping: the only one"));
  EXPECT_EQ(e.run.strategy.name(), "hopping");
  Experiment several = experiment();
  several.run.choose_from = {"hopping", "allreduce"};
  EXPECT_THAT([&] { settle_strategy(several, dataset(), remote); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("[run] strategy: expected the name"),
                                               HasSubstr("hopping and allreduce"), HasSubstr("hop simulate"))));
  Experiment named = experiment("hopping");
  EXPECT_EQ(settle_strategy(named, dataset(), remote), "");
}

TEST_F(AutoRun, ThePilotMeasuresTheSizesOfTheRun) {
  const simulate::Job job = measure_job(experiment("hopping"), dataset(), {});
  const Results& real = of_hopping();
  ASSERT_EQ(job.models.size(), real.models.size());
  for (std::size_t i = 0; i < real.models.size(); ++i) {
    const double width = i < 2 ? 12 : 20;  // the first dimension of the grid changes slowest
    const std::int64_t features = dataset().feature_shape().numel();
    const auto aligned = [](double elements) { return std::ceil(elements * 4 / 64) * 64; };
    EXPECT_EQ(job.models[i].state_bytes, static_cast<double>(real.models[i].state_bytes)) << i;
    EXPECT_EQ(job.models[i].weight_bytes,
              aligned(width * static_cast<double>(features)) + aligned(width) + aligned(10 * width) + aligned(10))
        << i;
    EXPECT_EQ(job.models[i].batch, 16);
    EXPECT_GT(job.models[i].epoch_seconds, 0);
    EXPECT_LT(job.models[i].epoch_seconds, 60) << "330 rows";
  }
  EXPECT_EQ(job.rows, 330);
  EXPECT_EQ(job.epochs, 3U);
  EXPECT_EQ(job.partitions, 4U);
  EXPECT_GT(job.network.bytes_per_second, 1e6);
  EXPECT_NO_THROW(job.check());
}

TEST_F(AutoRun, ThePilotDescribesAsManyModelsAsCanBeSimulated) {
  Experiment large = experiment("hopping");
  Choices rates;
  for (int i = 0; i < 6000; ++i) rates.emplace_back(1e-3 + 1e-7 * i);
  large.search.space[1].second = rates;  // 12,000 models of two architectures
  const simulate::Job job = measure_job(large, dataset(), {});
  EXPECT_LE(job.models.size(), 60'000U / (3 * 4));
  EXPECT_EQ(job.models.size() % 2, 0U) << "whole rounds of the workers";
}

TEST(LinkSpeed, IsThatOfTheTransport) {
  for (const auto& [hosting, transport] :
       {std::pair(Hosting::Threads, LocalTransport::Unix), std::pair(Hosting::Processes, LocalTransport::Unix),
        std::pair(Hosting::Processes, LocalTransport::Tcp)}) {
    const simulate::Link link = measure_link(hosting, transport, 8 << 20);
    EXPECT_GT(link.bytes_per_second, 1e6);
    EXPECT_LT(link.bytes_per_second, 1e13);
    EXPECT_GT(link.latency_seconds, 0);
    EXPECT_LT(link.latency_seconds, 1);
  }
}

TEST_F(AutoRun, WhyTellsTheChoice) {
  const fs::path directory = fresh("live");
  fs::create_directories(directory);
  std::ofstream(directory / "experiment.toml") << "";
  const RunLock lock(directory);
  RunStatus status;
  status.process = 77;
  status.strategy_choice = "hopping: predicted 1 s";
  write_status_file(directory, status);
  EXPECT_EQ(why(directory).strategy_choice, "hopping: predicted 1 s");
}

// A run writes its status a second after it began.
TEST_F(AutoRun, WhyDoesNotTakeARunThatBeginsForOneThatIsOver) {
  const fs::path directory = fresh("young");
  fs::create_directories(directory);
  std::ofstream(directory / "experiment.toml") << "";
  const RunLock lock(directory);
  EXPECT_THAT([&] { why(directory); }, ::testing::ThrowsMessage<ConfigError>(
                                           "[why] expected a run that tells its status, got " + directory.string() +
                                           ", which begins or ends just now; ask again in a second"));
}

}  // namespace
}  // namespace hop::hopper
