// hop compare: the numbers of its files are those of the runs in its folder.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/cli/program.h"

namespace hop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Compare : public ::testing::Test {
 protected:
  void SetUp() override {
    write(folder_ / "e.toml",
          "name = \"c\"\n[data]\nsource = \"glyphs\"\npartitions = 4\n[model]\nfamily = \"mlp\"\n"
          "[search]\nepochs = 2\n[search.space]\nlr = [0.1, 0.01]\n[run]\nworkers = 2\n");
  }
  Finished go(const std::vector<std::string>& arguments) { return hop(arguments, folder_.path()); }
  TemporaryFolder folder_;
};

TEST_F(Compare, WritesWhatEachStrategyCost) {
  const Finished finished = go({"compare", "e.toml", "--to", "out"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const nlohmann::json json = nlohmann::json::parse(read(folder_ / "out" / "compare.json"));
  ASSERT_EQ(json["trials"].size(), 5U);
  const nlohmann::json &hopping = json["trials"][0], &tasks = json["trials"][1], &allreduce = json["trials"][2],
                       &averaging = json["trials"][3], &server = json["trials"][4];
  EXPECT_EQ(hopping["strategy"], "hopping");
  EXPECT_EQ(tasks["strategy"], "task_parallel");
  EXPECT_EQ(allreduce["strategy"], "allreduce");
  EXPECT_EQ(averaging["strategy"], "averaging");
  EXPECT_EQ(server["strategy"], "parameter_server");
  double worst = 1;
  for (const nlohmann::json& trial : json["trials"]) {
    const std::string name = trial["strategy"].get<std::string>() + "-2";
    const nlohmann::json real = nlohmann::json::parse(read(folder_ / "out" / name / "results.json"));
    EXPECT_EQ(trial["wall_seconds"], real["wall_seconds"]);
    EXPECT_EQ(trial["hops"], real["hops"]);
    EXPECT_EQ(trial["hop_bytes"], real["network"]["hop_bytes"]);
    EXPECT_EQ(trial["gradient_bytes"], real["network"]["gradient_bytes"]);
    const bool has_groups = trial["strategy"] != "hopping" && trial["strategy"] != "task_parallel";
    EXPECT_EQ(trial["gradient_bytes"] != 0, has_groups) << trial["strategy"];
    EXPECT_EQ(trial["predicted_gradient_bytes"], real["predicted"]["gradient_bytes"]);
    EXPECT_EQ(trial["peak_rss_bytes"], real["memory"]["peak_rss_bytes"]);
    EXPECT_GT(trial["peak_pss_bytes"].get<double>(), 1e6);
    EXPECT_LE(trial["peak_pss_bytes"].get<double>(), trial["peak_rss_bytes"].get<double>());
    EXPECT_GE(trial["read_bytes"].get<double>(), 0);
    EXPECT_GT(trial["samples_per_second"].get<double>(), 0);
    EXPECT_GT(trial["cpu_seconds"].get<double>(), 0);
    EXPECT_GE(trial["idle_share"].get<double>(), 0);
    EXPECT_LE(trial["idle_share"].get<double>(), 1);
    ASSERT_EQ(trial["idle_by_worker"].size(), 2U);
    EXPECT_NEAR((trial["idle_by_worker"][0].get<double>() + trial["idle_by_worker"][1].get<double>()) / 2,
                trial["idle_share"].get<double>(), 1e-12);
    EXPECT_FALSE(trial["score_over_time"].empty());
    // Two epochs; the best model of each one, by the curves of the run.
    ASSERT_EQ(trial["score_over_epochs"].size(), 2U);
    for (std::size_t epoch = 0; epoch < 2; ++epoch) {
      double best = 0;
      for (const nlohmann::json& model : real["models"]) {
        best = std::max(best, model["curves"]["valid_accuracy"][epoch].get<double>());
      }
      EXPECT_EQ(trial["score_over_epochs"][epoch], best) << trial["strategy"];
    }
    worst = std::min(worst, trial["best_score"].get<double>());
  }
  for (const nlohmann::json& trial : json["trials"]) {
    double first = -1;  // the moment at which its best model was as good as the worst trial's in the end
    for (const nlohmann::json& moment : trial["score_over_time"]) {
      if (first < 0 && moment[1].get<double>() >= worst) first = moment[0];
    }
    EXPECT_EQ(trial["seconds_to_score"], first) << trial["strategy"];
  }
  EXPECT_EQ(hopping["state_sha256"], tasks["state_sha256"]);
  EXPECT_EQ(allreduce["state_sha256"], server["state_sha256"]);
  EXPECT_NE(allreduce["state_sha256"], hopping["state_sha256"]);
  EXPECT_NE(averaging["state_sha256"], allreduce["state_sha256"]);
  EXPECT_EQ(hopping["predicted_gradient_bytes"], 0);
  EXPECT_GT(allreduce["predicted_gradient_bytes"], averaging["predicted_gradient_bytes"]);
  EXPECT_EQ(server["predicted_gradient_bytes"], allreduce["predicted_gradient_bytes"]);
  EXPECT_GT(hopping["hop_bytes"], 0);
  EXPECT_GT(tasks["data_bytes_per_worker"], hopping["data_bytes_per_worker"]);
  EXPECT_EQ(tasks["data_bytes_stored"], 2 * tasks["data_bytes_per_worker"].get<double>());

  std::istringstream csv(read(folder_ / "out" / "compare.csv"));
  std::string line;
  int lines = 0;
  for (; std::getline(csv, line); ++lines) {
  }
  EXPECT_EQ(lines, 6);
  const std::string page = read(folder_ / "out" / "compare.html");
  EXPECT_THAT(page, AllOf(HasSubstr("<svg"), HasSubstr("<polyline"), HasSubstr("task_parallel, 2 workers")));
  EXPECT_THAT(page, AllOf(Not(HasSubstr("http://")), Not(HasSubstr("https://")), Not(HasSubstr("<script"))));
  EXPECT_THAT(finished.out, AllOf(HasSubstr("bits of the models"), HasSubstr("the same"), HasSubstr("compare.html")));
}

TEST_F(Compare, SaysNothingOfReplicasWhereThereAreNone) {
  const Finished finished = go({"compare", "e.toml", "--strategies", "hopping,task_parallel", "--to", "two"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_THAT(finished.out, AllOf(HasSubstr("the same"), Not(HasSubstr("other ones")), Not(HasSubstr("replicas"))));
}

TEST_F(Compare, PassesEquallyOftenOverTheRowsWhereAnEpochHasSeveralPasses) {
  const Finished finished = go({"compare", "e.toml", "--strategies", "hopping,averaging", "--to", "passes", "--set",
                                "run.average_passes=2", "--set", "search.epochs=4"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const nlohmann::json trials = nlohmann::json::parse(read(folder_ / "passes" / "compare.json"))["trials"];
  EXPECT_THAT(finished.out, AllOf(HasSubstr("hopping, 2 workers"), HasSubstr("averaging (2 passes), 2 workers")));
  EXPECT_THAT(go({"report", "passes/averaging-2"}).out,
              HasSubstr("c: averaging (an epoch is 2 passes over the rows), 2 models"));
  EXPECT_EQ(trials[0]["passes_of_an_epoch"], 1);
  EXPECT_EQ(trials[0]["score_over_epochs"].size(), 4U);
  EXPECT_EQ(trials[1]["passes_of_an_epoch"], 2);
  EXPECT_EQ(trials[1]["score_over_epochs"].size(), 2U);
  EXPECT_THAT(go({"compare", "e.toml", "--strategies", "averaging", "--set", "run.average_passes=2", "--set",
                  "search.epochs=3", "--to", "odd"})
                  .err,
              AllOf(HasSubstr("[search] epochs: expected a multiple of [run] average_passes = 2"),
                    HasSubstr("got 3; write epochs = 4")));
  EXPECT_THAT(go({"compare", "e.toml", "--strategies", "averaging", "--set", "run.average_passes=2", "--set",
                  "model.swa_start=1", "--to", "late"})
                  .err,
              HasSubstr("average_passes = 2: expected 1 with [model] swa_start, which counts epochs"));
  EXPECT_THAT(go({"compare", "e.toml", "--strategies", "averaging", "--set", "run.average_passes=2", "--set",
                  "search.method=hyperband", "--to", "late"})
                  .err,
              HasSubstr("average_passes = 2: expected 1 with [search] method = \"hyperband\""));
  EXPECT_THAT(go({"compare", "e.toml", "--strategies", "averaging", "--set", "run.average_passes=2", "--set",
                  "search.stop=[\"median\"]", "--to", "late"})
                  .err,
              HasSubstr("average_passes = 2: expected 1 with [search] stop"));
}

TEST_F(Compare, ShowsWhatARunChoseBesideTheOthers) {
  const Finished finished = go({"compare", "e.toml", "--strategies", "hopping,auto", "--to", "chosen"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("strategy = \"auto\" chose "));
  const nlohmann::json json = nlohmann::json::parse(read(folder_ / "chosen" / "compare.json"));
  const nlohmann::json real = nlohmann::json::parse(read(folder_ / "chosen" / "auto-2" / "results.json"));
  EXPECT_EQ(json["trials"][1]["strategy"], "auto (" + real["strategy"].get<std::string>() + ")");
  EXPECT_EQ(json["trials"][0]["state_sha256"], json["trials"][1]["state_sha256"]);
}

TEST_F(Compare, SaysWhatIsWrongBeforeItRuns) {
  EXPECT_THAT(go({"compare", "e.toml", "--strategies", "hopping,hoping"}).err, HasSubstr("did you mean \"hopping\""));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "compare"));
  EXPECT_THAT(go({"compare", "e.toml", "--workers", "2,2"}).err, HasSubstr("hopping-2 twice"));
  std::filesystem::create_directory(folder_ / "used");
  write(folder_ / "used" / "file", "");
  EXPECT_THAT(go({"compare", "e.toml", "--to", "used"}).err, HasSubstr("expected a new or empty folder, got used"));
}

TEST_F(Compare, TellsTheStrategyThatRefusesAKeyBeforeAnotherOneRuns) {
  const Finished finished = go({"compare", "e.toml", "--strategies", "hopping,allreduce", "--set",
                                "search.space.accumulate=[1, 2]", "--to", "never"});
  EXPECT_EQ(finished.code, 2);
  EXPECT_THAT(finished.err,
              AllOf(HasSubstr("allreduce-2: [search.space] accumulate: expected 1"), HasSubstr("No strategy has run")));
  EXPECT_THAT(go({"compare", "e.toml", "--set", "search.space.beta1=[0.9]", "--to", "never"}).err,
              HasSubstr("hop: bad configuration: [search.space] beta1"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "never"));
}

TEST_F(Compare, LeavesAFolderThatReportExplains) {
  ASSERT_EQ(
      go({"compare", "e.toml", "--strategies", "hopping", "--workers", "1", "--set", "search.epochs=1", "--to", "runs"})
          .code,
      0);
  const Finished report = go({"report", "runs"});
  EXPECT_EQ(report.code, 2);
  EXPECT_THAT(report.err, AllOf(HasSubstr("holds the runs of a `hop compare`"), HasSubstr("runs/compare.html"),
                                HasSubstr("`hop report runs/hopping-1`")));
  EXPECT_EQ(go({"report", "runs/hopping-1"}).code, 0);
}

}  // namespace
}  // namespace hop::testing
