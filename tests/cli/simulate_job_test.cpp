// hop simulate with a [job]: sizes instead of an experiment. The formulas are judged in tests/hopper/job_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"
#include "tests/source_tree.h"

namespace hop::testing {
namespace {

using ::testing::HasSubstr;

class SimulateJob : public ::testing::Test {
 protected:
  void SetUp() override {
    write(folder_ / "job.toml",
          "[job]\nrows = 1000\ndata_bytes = 1e6\nepochs = 3\nworkers = 4\nnetwork = \"8Mbit\"\n"
          "[[job.models]]\nname = \"small\"\ncount = 4\nepoch_seconds = 80\nbatch = 25\nweight_bytes = 1e6\n"
          "[figure]\nof = \"somebody else\"\n");
  }
  Finished go(const std::vector<std::string>& arguments) { return hop(arguments, folder_.path()); }
  nlohmann::json lines(std::vector<std::string> more) {
    std::vector<std::string> arguments = {"simulate", "job.toml", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished finished = go(arguments);
    EXPECT_EQ(finished.code, 0) << finished.err;
    return nlohmann::json::parse(finished.out);
  }
  void expect_wrong(const std::string& message, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"simulate", "job.toml"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished finished = go(arguments);
    EXPECT_EQ(finished.code, 2) << finished.out;
    EXPECT_THAT(finished.err, HasSubstr(message));
  }
  TemporaryFolder folder_;
};

TEST_F(SimulateJob, HasALineForEachSystem) {
  const nlohmann::json all = lines({});
  ASSERT_EQ(all.size(), 10U);
  EXPECT_EQ(all[0]["strategy"], "hopping");
  EXPECT_NEAR(all[0]["seconds"].get<double>(), 240, 1e-6);
  const nlohmann::json one = lines({"--strategies", "allreduce", "--workers", "2,4"});
  ASSERT_EQ(one.size(), 2U);
  EXPECT_EQ(one[0]["workers"], 2);
  EXPECT_NEAR(one[0]["gradient_bytes"].get<double>(), 4 * 3 * 20 * 2 * 1e6, 1) << "a partition for each worker";
  EXPECT_NEAR(one[1]["seconds"].get<double>(), 4 * 3 * (20 + 15), 1e-6);
  EXPECT_THAT(go({"simulate", "job.toml"}).out, HasSubstr("async_server"));
}

TEST_F(SimulateJob, TakesOverridesAndAnotherNetwork) {
  const auto seconds = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = {"--strategies", "allreduce"};
    all.insert(all.end(), more.begin(), more.end());
    return lines(all)[0]["seconds"].get<double>();
  };
  EXPECT_NEAR(seconds({"--network", "80Mbit"}), 4 * 3 * (20 + 1.5), 1e-6);
  EXPECT_NEAR(seconds({"--set", "job.data_scale=2"}), 4 * 3 * (40 + 30), 1e-6) << "rows, bytes and times";
  EXPECT_NEAR(seconds({"--set", "job.models=[{epoch_seconds=8}]"}), 3 * 2, 1e-6);
}

TEST_F(SimulateJob, SaysWhatIsWrong) {
  expect_wrong("[job] rows: expected 1 to", {"--set", "job.rows=0"});
  expect_wrong("row", {"--set", "job.row=1"});
  expect_wrong("expected tables [[job.models]]", {"--set", "job.models=3"});
  expect_wrong("got none", {"--set", "job.models=[]"});
  expect_wrong("[job] network: expected a rate", {"--set", "job.network=fast"});
  expect_wrong("expected \"fixed\" or \"free\"", {"--set", "job.order=any"});
  expect_wrong("did you mean \"hopping\"", {"--strategies", "hoping"});
  for (const char* workers : {"4294967297", "200000"}) expect_wrong("[job] workers: expected", {"--workers", workers});
  expect_wrong("neither --measured nor --pass-seconds", {"--pass-seconds", "1"});
}

// ./dev papers redraws figures from these.
TEST_F(SimulateJob, EveryPaperAndEveryExampleIsAJob) {
  int found = 0;
  for (const char* folder : {"examples/papers", "examples/jobs"}) {
    for (const auto& file : std::filesystem::directory_iterator(source_directory() / folder)) {
      const Finished finished = go({"simulate", file.path().string(), "--json"});
      ASSERT_EQ(finished.code, 0) << file.path() << finished.err;
      for (const nlohmann::json& line : nlohmann::json::parse(finished.out))
        EXPECT_GT(line["seconds"], 0) << file.path();
      ++found;
    }
  }
  EXPECT_GE(found, 15);
}

}  // namespace
}  // namespace hop::testing
