// Whole runs with workers on devices: bits, hops between kinds of devices, and what results say.
#include "hopper/run.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/cuda/hopper/toy.h"

namespace hop::hopper {
namespace {

class CudaRun : public testing::Toy {
 protected:
  static std::vector<std::string> hashes(const Results& results) {
    std::vector<std::string> hashes;
    for (const ModelResult& model : results.models) hashes.push_back(model.state_sha256);
    return hashes;
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
  const Results results = run(e, {.run_directory = folder_ / "mixed", .devices = {"cpu", "cuda"}}).results;
  EXPECT_EQ(results.device, "mixed");
  EXPECT_EQ(results.devices, (std::vector<std::string>{"cpu", "cuda:0"}));
  std::ifstream file(folder_ / "mixed" / "results.json");
  EXPECT_EQ(nlohmann::json::parse(file)["device"].dump(), R"(["cpu","cuda:0"])");
  for (const ModelResult& model : results.models) EXPECT_EQ(model.status, "finished");
  for (const Replayed& model : replay(folder_ / "mixed")) {
    EXPECT_TRUE(model.matches);
    EXPECT_EQ(model.identical, 8U);
  }
}

TEST_F(CudaRun, SaysBeforeItBeginsThatADeviceIsNotThere) {
  Experiment e = perceptron();
  e.run.device = "cuda:15";
  EXPECT_THROW(run(e, {.run_directory = folder_ / "none"}), ConfigError);
  EXPECT_FALSE(testing::fs::exists(folder_ / "none"));
}

}  // namespace
}  // namespace hop::hopper
