// hop simulate: times that can be computed by hand, and a prediction beside the run that it was made from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace hop::testing {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class Simulate : public ::testing::Test {
 protected:
  void SetUp() override {
    write(folder_ / "e.toml",
          "name = \"s\"\n[data]\nsource = \"glyphs\"\npartitions = 4\n[model]\nfamily = \"mlp\"\n"
          "[search]\nepochs = 2\n[search.space]\nlr = [0.1, 0.01, 0.001, 0.0001]\n[run]\nworkers = 2\n");
  }
  Finished go(const std::vector<std::string>& arguments) { return hop(arguments, folder_.path()); }
  nlohmann::json lines(std::vector<std::string> more) {
    std::vector<std::string> arguments = {"simulate", "e.toml", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished finished = go(arguments);
    EXPECT_EQ(finished.code, 0) << finished.err;
    return nlohmann::json::parse(finished.out);
  }
  TemporaryFolder folder_;
};

// 4 models, 2 epochs, 4 partitions: 32 units of 10 s, 1 - 0.05 to 1 + 0.05 times as long.
TEST_F(Simulate, TakesTheTimeOfTheUnitsDividedByTheWorkers) {
  const nlohmann::json json = lines({"--workers", "1,2,4", "--pass-seconds", "10"});
  ASSERT_EQ(json.size(), 3U);
  for (const nlohmann::json& line : json) {
    const double ideal = 320.0 / line["workers"].get<double>();
    EXPECT_EQ(line["units"], 32);
    EXPECT_EQ(line["partitions"], 4);
    EXPECT_NEAR(line["seconds"].get<double>(), ideal, 0.1 * ideal) << line;
    EXPECT_GT(line["utilisation"].get<double>(), 0.9);
  }
  EXPECT_EQ(json[0]["hops"], 0);
  EXPECT_GT(json[2]["hops"], json[1]["hops"]);
}

TEST_F(Simulate, AWorkerMoreThanPartitionsGetsAPartition) { EXPECT_EQ(lines({"--workers", "8"})[0]["partitions"], 8); }

TEST_F(Simulate, ComparesStrategies) {
  const nlohmann::json json = lines({"--strategies", "hopping,task_parallel"});
  EXPECT_EQ(json[0]["strategy"], "hopping");
  EXPECT_EQ(json[1]["strategy"], "task_parallel");
  EXPECT_EQ(json[1]["hops"], 0);
  EXPECT_EQ(json[1]["units"], 8) << "a unit of task parallelism is an epoch";
}

TEST_F(Simulate, KnowsTheStrategiesWithReplicas) {
  const nlohmann::json json = lines({"--strategies", "task_parallel,allreduce,averaging,parameter_server"});
  ASSERT_EQ(json.size(), 4U);
  for (const nlohmann::json& line : json) {
    EXPECT_EQ(line["units"], 8) << line;
    EXPECT_EQ(line["seconds"], json[0]["seconds"]) << "units of as many passes as those of tasks";
  }
  EXPECT_THAT(go({"simulate", "e.toml", "--strategies", "averaging"}).out, HasSubstr("nothing is exchanged"));
}

TEST_F(Simulate, ALatencyIsInTheTime) {
  const double fast = lines({"--network", "10Gbit,0.1ms"})[0]["seconds"];
  const double slow = lines({"--network", "10Gbit,9s"})[0]["seconds"];
  EXPECT_GT(slow, fast + 5);
}

TEST_F(Simulate, PredictsTheRunThatItMeasured) {
  const Finished real = go({"run", "e.toml", "--run-dir", "r"});
  ASSERT_EQ(real.code, 0) << real.err;
  const Finished finished = go({"simulate", "e.toml", "--measured", "r"});
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_THAT(finished.out, ContainsRegex("measured with 2 workers: [0-9.e+-]+ seconds; predicted: [0-9.e+-]+, "));
}

TEST_F(Simulate, SaysWhatIsWrong) {
  for (const std::string network : {"10", "fast", "10Gbit,", "10Gbit,3", "-1Gbit", "0Gbit"}) {
    const Finished finished = go({"simulate", "e.toml", "--network=" + network});
    EXPECT_EQ(finished.code, 2) << network;
    EXPECT_THAT(finished.err, HasSubstr("--network: expected a rate")) << network;
  }
  EXPECT_THAT(go({"simulate", "e.toml", "--policies", "fifoo"}).err, HasSubstr("fifoo"));
  EXPECT_THAT(go({"simulate", "e.toml", "--strategies", "hoping"}).err, HasSubstr("did you mean \"hopping\""));
  EXPECT_NE(go({"simulate", "e.toml", "--measured", "nowhere"}).code, 0);
}

}  // namespace
}  // namespace hop::testing
