// Whole runs with workers on devices: bits, hops between kinds of devices, and what results say.
#include "hopper/run.h"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "hopper/device.h"
#include "hopper/journal.h"
#include "kernels/copy.h"
#include "kernels/cuda/runtime.h"
#include "kernels/index.h"
#include "nn/layers.h"
#include "tensor/allocator.h"
#include "tensor/backend.h"
#include "tests/cuda/hopper/toy.h"

namespace hop::hopper {
namespace {

struct Shortage {
  std::atomic<int> steps_until = 0, faults = 0;
  std::atomic<bool> in_library = false;
};

// Its training finds no memory for a while, and leaves work behind that reads where nothing is.
class Cramped : public nn::Module {
 public:
  explicit Cramped(std::shared_ptr<Shortage> shortage)
      : linear_(register_module("linear", nn::Linear(64, 3))), shortage_(std::move(shortage)) {}
  Tensor forward(const Tensor& x) override {
    if (is_training() && --shortage_->steps_until < 0 && shortage_->faults > 0) {
      --shortage_->faults;
      const Tensor nowhere = kernels::full({1}, 9999, DType::i64, x.device());
      kernels::index_select(x, 0, nowhere);  // the device notes it; nobody waits for the note
      if (shortage_->in_library) throw CudaError("[test] full", "cudaGraphInstantiate", 2, "cudaErrorMemoryAllocation");
      throw MemoryError("[test] the device is full");
    }
    return linear_(nn::Flatten()(x));
  }

 private:
  nn::Linear linear_;
  std::shared_ptr<Shortage> shortage_;
};

// The streams on which its steps ran.
struct StreamsSeen {
  std::mutex mutex;
  std::set<cudaStream_t> training, validating;
};

class Watched : public nn::Module {
 public:
  explicit Watched(std::shared_ptr<StreamsSeen> streams)
      : linear_(register_module("linear", nn::Linear(64, 3))), streams_(std::move(streams)) {}
  Tensor forward(const Tensor& x) override {
    if (!x.device().is_cpu()) {
      const std::scoped_lock lock(streams_->mutex);
      (is_training() ? streams_->training : streams_->validating).insert(kernels::cuda::current_stream());
    }
    return linear_(nn::Flatten()(x));
  }

 private:
  nn::Linear linear_;
  std::shared_ptr<StreamsSeen> streams_;
};

class CudaRun : public testing::Toy {
 protected:
  static std::vector<std::string> hashes(const Results& results) {
    std::vector<std::string> hashes;
    for (const ModelResult& model : results.models) hashes.push_back(model.state_sha256);
    return hashes;
  }
  // The attempts and commits of the journal. Every lease is an attempt, so both are equal unless a unit failed.
  static std::pair<std::uint32_t, std::uint32_t> attempts_and_commits(const std::filesystem::path& directory) {
    std::uint32_t attempts = 0, commits = 0;
    for (const Record& record : read_journal(directory / "journal").records) {
      const auto* commit = std::get_if<record::Commit>(&record);
      if (commit == nullptr) continue;
      ++commits;
      attempts = std::max(attempts, commit->attempt.value);
    }
    return {attempts, commits};
  }
};

TEST_F(CudaRun, GivesTheSameBitsForAnyNumberOfWorkers) {
  Experiment e = perceptron();
  e.run.device = "cuda";
  e.run.workers = 1;
  const Results one = run(e).results;
  EXPECT_EQ(one.device, "cuda:0");
  EXPECT_EQ(one.models[0].status, "finished");
  e.run.workers = 2;
  const Results two = run(e).results;
  EXPECT_EQ(hashes(two), hashes(one));
  EXPECT_GT(two.hops, 0U);
}

TEST_F(CudaRun, TrainsTheModelsOfWorkersOfOneProgramOnStreamsOfTheirOwn) {
  Experiment e = perceptron();
  e.run.device = "cuda:0";
  e.model.layers.clear();
  const auto streams = std::make_shared<StreamsSeen>();
  e.model.builder = [streams](const Config&, const ModelInput&) { return std::make_shared<Watched>(streams); };
  e.run.workers = 1;
  const Results alone = run(e).results;
  EXPECT_EQ(streams->training.size(), 1U);
  streams->training.clear();
  streams->validating.clear();
  e.run.workers = 4;
  const Results together = run(e).results;
  EXPECT_EQ(streams->training.size(), 4U);
  EXPECT_TRUE(std::ranges::includes(streams->training, streams->validating));
  kernels::cuda::use_device(0);
  EXPECT_FALSE(streams->training.contains(kernels::cuda::current_stream())) << "the one that all threads share";
  EXPECT_EQ(hashes(together), hashes(alone));
}

TEST_F(CudaRun, TakesTheDeviceWhereThereIsOneAndTheCpuWhereAskedTo) {
  Experiment e = perceptron();
  e.run.workers = 1;
  EXPECT_EQ(run(e).results.device, "cuda:0") << "auto";
  e.run.device = "cpu";
  EXPECT_EQ(run(e).results.device, "cpu");
}

TEST_F(CudaRun, MayMixKindsOfDevicesAndIsReplayedWhereItWasTrained) {
  Experiment e = convolution();
  e.search.epochs = 2;
  const Results results = run(e, {.run_directory = *folder_ / "mixed", .devices = {"cpu", "cuda"}}).results;
  EXPECT_EQ(results.device, "mixed");
  EXPECT_EQ(results.devices, (std::vector<std::string>{"cpu", "cuda:0"}));
  ASSERT_EQ(results.arithmetic.size(), 2U);
  EXPECT_NE(results.arithmetic[0].find("oneDNN"), std::string::npos) << results.arithmetic[0];
  EXPECT_NE(results.arithmetic[1].find("compute "), std::string::npos) << results.arithmetic[1];
  std::ifstream file(*folder_ / "mixed" / "results.json");
  EXPECT_EQ(nlohmann::json::parse(file)["device"].dump(), R"(["cpu","cuda:0"])");
  for (const ModelResult& model : results.models) EXPECT_EQ(model.status, "finished");
  for (const Replayed& model : replay(*folder_ / "mixed")) {
    EXPECT_TRUE(model.matches);
    EXPECT_EQ(model.identical, 8U);
  }
}

TEST_F(CudaRun, SaysBeforeItBeginsThatADeviceIsNotThere) {
  Experiment e = perceptron();
  e.run.device = "cuda:15";
  EXPECT_THROW(run(e, {.run_directory = *folder_ / "none"}), ConfigError);
  EXPECT_FALSE(testing::fs::exists(*folder_ / "none"));
}

TEST_F(CudaRun, KnowsHowManyWorkersShareADevice) {
  const auto all = [](const std::string& word, std::uint32_t workers) { return device_words({}, word, workers); };
  EXPECT_EQ(workers_on(Device::cuda(), all("cuda:0", 3)), 3U);
  EXPECT_EQ(workers_on(Device::cpu(), all("cuda:0", 3)), 0U);
  EXPECT_EQ(workers_on(Device::cpu(), all("cpu", 2)), 2U);
  const auto count = static_cast<std::uint32_t>(device_count(DeviceType::cuda));
  EXPECT_EQ(workers_on(Device::cuda(), all("cuda", 5)), (5 + count - 1) / count) << "they take the devices in turn";
  const std::vector<std::string> some = {"cpu", "", "cuda:0"};
  EXPECT_EQ(device_words(some, "cpu", 4), (std::vector<std::string>{"cpu", "cpu", "cuda:0", "cpu"}));
  EXPECT_EQ(workers_on(Device::cuda(), device_words(some, "cpu", 4)), 1U) << "those on the CPU need no room there";
}

TEST_F(CudaRun, FindsRoomForAUnitWithoutFailingIt) {
  Experiment e = perceptron();
  e.run.device = "cuda";
  e.run.workers = 1;
  e.model.layers.clear();
  e.search.epochs = 2;
  const auto shortage = std::make_shared<Shortage>();
  e.model.builder = [shortage](const Config&, const ModelInput&) { return std::make_shared<Cramped>(shortage); };
  const Results expected = run(e).results;
  for (const int steps : {0, 20}) {  // in a first unit, and in one whose state has come to a place already
    shortage->steps_until = steps;
    shortage->faults = 1;
    shortage->in_library = steps == 0;
    const std::filesystem::path directory = *folder_ / ("cramped-" + std::to_string(steps));
    const Results results = run(e, {.run_directory = directory}).results;
    EXPECT_EQ(shortage->faults, 0);
    EXPECT_EQ(hashes(results), hashes(expected));
    EXPECT_EQ(attempts_and_commits(directory), (std::pair{16U, 16U}));
  }
}

TEST_F(CudaRun, FailsAUnitThatFindsNoRoomAndGoesOnWithTheNextAttempt) {
  Experiment e = perceptron();
  e.run.device = "cuda";
  e.run.workers = 1;
  e.model.layers.clear();
  const auto shortage = std::make_shared<Shortage>();
  e.model.builder = [shortage](const Config&, const ModelInput&) { return std::make_shared<Cramped>(shortage); };
  e.search.space[0].second = Choices{0.01};  // another model would share the failures
  const Results expected = run(e).results;
  shortage->steps_until = 0;
  shortage->faults = 5;  // two attempts with their second tries, and the third one's first
  const Results results = run(e).results;
  for (const ModelResult& model : results.models) EXPECT_EQ(model.status, "finished");
  EXPECT_EQ(hashes(results), hashes(expected));
}

TEST_F(CudaRun, GivesTheSameBitsInTheMemoryOfAPlaceAndAHalf) {
  Experiment e = perceptron();
  e.run.device = "cuda";
  e.run.workers = 1;
  e.model.layers = {"flatten", "linear 64", "relu", "linear 3"};
  const auto peak_of = [&] {
    memory::empty_cache(Device::cuda());
    memory::reset_peak(Device::cuda());
    const std::size_t before = memory::active(Device::cuda());
    const Results results = run(e).results;
    return std::pair(hashes(results), memory::peak(Device::cuda()) - before);
  };
  auto [both, two] = peak_of();
  Experiment single = e;
  single.search.space[0].second = Choices{0.01};
  std::swap(e, single);
  const std::size_t one = peak_of().second;
  std::swap(e, single);
  // The second model's place is taken while the first one trains, or just after: it depends on who is faster.
  for (int tries = 0; tries < 20 && two <= one + 4096; ++tries) two = peak_of().second;
  ASSERT_LT(one + 4096, two);
  memory::set_limit(memory::active(Device::cuda()) + one + (two - one) / 2, Device::cuda());
  const Results cramped = run(e, {.run_directory = *folder_ / "half"}).results;
  memory::set_limit(0, Device::cuda());
  EXPECT_EQ(hashes(cramped), both);
  EXPECT_EQ(attempts_and_commits(*folder_ / "half"), (std::pair{8U, 8U}));
}

// Four places do not fit, so some units are trained alone. Rows that find no room are streamed.
TEST_F(CudaRun, FailsNoUnitWhereTheWorkersOfOneProgramHaveNoRoomForAllTheirModels) {
  Experiment e = perceptron();
  e.run.device = "cuda:0";
  e.run.workers = 1;
  e.model.layers = {"flatten", "linear 64", "relu", "linear 3"};
  e.search.space[0].second = Choices{0.01, 0.005, 0.002, 0.001};
  memory::empty_cache(Device::cuda());
  memory::reset_peak(Device::cuda());
  const std::size_t before = memory::active(Device::cuda());
  const Results alone = run(e).results;
  const std::size_t room = memory::peak(Device::cuda()) - before;  // of two places and the rows
  e.run.workers = 4;
  memory::set_limit(before + room + room / 4, Device::cuda());
  std::string notices;
  const auto listen = [&](const std::string& line) { notices += line + "\n"; };
  const Results together = run(e, {.run_directory = *folder_ / "crowded", .on_notice = listen}).results;
  memory::set_limit(0, Device::cuda());
  for (const ModelResult& model : together.models) EXPECT_EQ(model.status, "finished");
  EXPECT_EQ(hashes(together), hashes(alone));
  const auto [attempts, commits] = attempts_and_commits(*folder_ / "crowded");
  EXPECT_EQ(commits, 16U);
  if (notices.find("was lost") == std::string::npos) {  // a slow machine may take a worker for lost
    EXPECT_EQ(attempts, commits) << notices;
  }
}

}  // namespace
}  // namespace hop::hopper
