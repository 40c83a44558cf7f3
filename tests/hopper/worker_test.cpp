// Errors of the application's model and of its device in a worker: one unit is lost, or the run, but never a worker for
// nothing.
#include "hopper/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "data/glyphs.h"
#include "nn/layers.h"
#include "tests/hopper/hashes.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class WorkerThreads : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_.emplace();
    data::write_dataset(data::glyphs({.train_rows = 128, .test_rows = 20}), *folder_ / "data",
                        {.partitions = 2, .validation = data::Validation::file()});
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::shared_ptr<nn::Sequential> network() {
    return std::make_shared<nn::Sequential>(nn::Flatten(), nn::Linear(28 * 28, 10));
  }
  // Two models on two workers: four units of 64 rows, two of them after a hop.
  static Experiment experiment(ModelBuilder builder) {
    Experiment e;
    e.seed = 3;
    e.data.source = *folder_ / "data";
    e.model.builder = std::move(builder);
    e.search.space = {{"lr", Choices{0.01, 0.001}}, {"batch_size", Choices{std::int64_t{16}}}};
    return e;
  }
  static const std::map<std::uint32_t, std::string>& expected_hashes() {
    static const auto expected =
        hashes(run(experiment([](const Config&, const ModelInput&) { return network(); })).results);
    return expected;
  }

  static inline std::optional<TemporaryFolder> folder_;
};

// A network whose forward pass first calls a function of the test.
class Faulty : public nn::Module {
 public:
  explicit Faulty(std::function<void(const Module&)> fault)
      : network_(register_module("network", nn::Linear(28 * 28, 10))), fault_(std::move(fault)) {}
  Tensor forward(const Tensor& x) override {
    fault_(*this);
    return network_(nn::Flatten()(x));
  }

 private:
  nn::Linear network_;
  std::function<void(const Module&)> fault_;
};

// On the CPU the builder runs where a unit is prepared: on the thread that also reads and writes files.
TEST_F(WorkerThreads, LosesOneUnitToWhateverTheApplicationsBuilderThrows) {
  for (const bool is_standard : {true, false}) {
    std::atomic<int> builds = 0;
    const Experiment e = experiment([&](const Config&, const ModelInput&) -> std::shared_ptr<nn::Module> {
      const int build = ++builds;
      if (build == 3 && is_standard) throw std::runtime_error("not now");  // the first two are the run's own
      if (build == 3) throw 42;
      return network();
    });
    const Results results = run(e).results;
    EXPECT_GT(builds, 3);
    EXPECT_EQ(hashes(results), expected_hashes());
  }
}

TEST_F(WorkerThreads, EndsTheRunWhenTheDeviceIsLostToTheProcess) {
  std::atomic<int> steps = 0;
  const ModelBuilder broken = [&](const Config&, const ModelInput&) {
    return std::make_shared<Faulty>([&steps](const nn::Module& module) {
      if (module.is_training() && ++steps == 5)
        throw CudaError("[cudaGraphLaunch] expected success, got cudaErrorIllegalAddress", "cudaGraphLaunch", 700,
                        "cudaErrorIllegalAddress", true);
    });
  };
  const fs::path directory = *folder_ / "lost";
  try {
    run(experiment(broken), {.run_directory = directory});
    FAIL() << "the run went on after " << steps << " steps";
  } catch (const RunError& error) {
    EXPECT_THAT(error.what(), HasSubstr("is lost to this process; the run can be resumed in a new one"));
    EXPECT_THAT(error.what(), HasSubstr("cudaErrorIllegalAddress"));
  }
  const auto healthy = [](const Config&, const ModelInput&) {
    return std::make_shared<Faulty>([](const nn::Module&) {});
  };
  const Results results = resume(directory, {}, healthy).results;
  for (const ModelResult& model : results.models) EXPECT_EQ(model.status, "finished");
}

// The thread of the worker may end before the coordinator, which has other things to do, has read why. One run in ten
// would go on if the worker did not wait for it.
TEST_F(WorkerThreads, TellABusyCoordinatorThatTheDeviceIsLost) {
  for (int run_number = 0; run_number < 30; ++run_number) {
    std::atomic<int> steps = 0;
    const ModelBuilder broken = [&](const Config&, const ModelInput&) {
      return std::make_shared<Faulty>([&steps](const nn::Module& module) {
        if (module.is_training() && ++steps == 5) throw CudaError("[cudaMalloc] lost", "cudaMalloc", 700, "lost", true);
      });
    };
    RunOptions options;
    options.progress_interval = std::chrono::milliseconds(1);
    options.on_progress = [](const RunProgress&) { std::this_thread::sleep_for(std::chrono::milliseconds(20)); };
    ASSERT_THAT([&] { run(experiment(broken), options); },
                testing::ThrowsMessage<RunError>(HasSubstr("is lost to this process")));
  }
}

TEST_F(WorkerThreads, EndsTheRunWhenTheDeviceIsLostWhileAUnitIsPrepared) {
  std::atomic<int> builds = 0;
  const Experiment e = experiment([&](const Config&, const ModelInput&) -> std::shared_ptr<nn::Module> {
    if (++builds >= 3) throw CudaError("[cudaMalloc] lost", "cudaMalloc", 700, "cudaErrorIllegalAddress", true);
    return network();
  });
  EXPECT_THROW(run(e), RunError);
}

// A thread cannot be left, so the run waits as long as its step takes, and says so.
TEST_F(WorkerThreads, AreNamedWhileAnAbortedRunWaitsForTheirEnd) {
  RunControl control;
  std::atomic<int> steps = 0;
  std::atomic<bool> was_told = false;
  const ModelBuilder builder = [&](const Config&, const ModelInput&) {
    return std::make_shared<Faulty>([&](const nn::Module& module) {
      if (!module.is_training() || ++steps != 5) return;
      control.abort();
      for (int i = 0; !was_told && i < 3000; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    });
  };
  RunOptions options;
  options.control = &control;
  options.on_notice = [&](const std::string& line) {
    if (line.find("has not ended for 5 s") != std::string::npos) was_told = true;
  };
  EXPECT_EQ(run(experiment(builder), options).results.outcome, Outcome::Interrupted);
  EXPECT_TRUE(was_told);
}

// A unit that hangs for a while: nobody would notice by its heartbeats.
TEST_F(WorkerThreads, StartAnewWhenTheyStandStillInAUnit) {
  const auto train = [](std::chrono::milliseconds hang, std::vector<std::string>& notices) {
    std::atomic<int> steps = 0;
    const ModelBuilder builder = [&steps, hang](const Config&, const ModelInput&) {
      return std::make_shared<Faulty>([&steps, hang](const nn::Module& module) {
        if (module.is_training() && ++steps == 5) std::this_thread::sleep_for(hang);
      });
    };
    RunOptions options;
    options.patience = std::chrono::seconds(1);
    options.on_notice = [&notices](const std::string& line) { notices.push_back(line); };
    return hashes(run(experiment(builder), options).results);
  };
  std::vector<std::string> calm, told;
  const auto expected = train(std::chrono::milliseconds(0), calm);
  EXPECT_EQ(train(std::chrono::seconds(6), told), expected);  // patience is longer where units take long
  EXPECT_THAT(calm, testing::IsEmpty());
  EXPECT_THAT(
      told, testing::Contains(testing::ContainsRegex("worker [01] was lost .*stood still for [0-9]+ s: trains model")));
}

}  // namespace
}  // namespace hop::hopper
