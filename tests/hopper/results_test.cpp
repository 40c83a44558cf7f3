// results.json and the leaderboard: valid for any text, and ranked by models that came through.
#include "hopper/results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(ResultsFile, IsValidWhateverTheTextIs) {
  const TemporaryFolder folder;
  Results results;
  results.name = "caf\xE9";
  ModelResult model;
  model.status = "quarantined";
  model.reason = "cannot open /tmp/caf\xE9: \x1b[2J";
  model.config = Config{{"path", std::string("\xFF\xFE")}, {"lr", 0.1}};
  results.models.push_back(model);
  const std::string json = to_json(results);
  EXPECT_THAT(json, AllOf(HasSubstr("cannot open /tmp/caf\xEF\xBF\xBD"), HasSubstr("\"lr\": 0.1")));
  EXPECT_THAT(leaderboard(results), AllOf(HasSubstr("caf\\xe9"), Not(HasSubstr("\x1b"))));
  std::ofstream(folder / "results.json") << json;
  EXPECT_TRUE(is_current(folder / "results.json", results));
  for (const char* damage : {"7", "null", "\"\"", "[]"}) {  // somebody edited it
    std::ofstream(folder / "edited.json") << json.substr(0, json.rfind('}')) + ", \"data_damage\": " + damage + "}";
    EXPECT_FALSE(is_current(folder / "edited.json", results)) << damage;
  }
  results.models[0].status = "finished";
  EXPECT_FALSE(is_current(folder / "results.json", results));
}

TEST(ResultsFile, HasTheAgesOfGradientsOfAnAsynchronousServer) {
  Results results;
  EXPECT_THAT(to_json(results), Not(HasSubstr("ages")));
  results.ages = {{0, 4}, {3, 18}, {12, 1}};
  EXPECT_EQ(nlohmann::json::parse(to_json(results))["ages"], (nlohmann::json{{0, 4}, {3, 18}, {12, 1}}));
}

// A run of before groups has no such key.
TEST(ResultsFile, HasTheGroupOfHopping) {
  Results results;
  EXPECT_FALSE(nlohmann::json::parse(to_json(results)).contains("group"));
  results.group = 3;
  EXPECT_EQ(nlohmann::json::parse(to_json(results))["group"], 3);
}

TEST(Leaderboard, RanksWhatCameThroughBeforeWhatDidNot) {
  Results results;
  const auto add = [&](std::uint32_t id, const char* status, std::optional<double> accuracy) {
    ModelResult model;
    model.id = ModelId(id);
    model.status = status;
    model.valid_accuracy = accuracy;
    results.models.push_back(model);
  };
  add(0, "diverged", 0.99);
  add(1, "quarantined", 0.95);
  add(2, "finished", 0.5);
  add(3, "stopped", 0.6);
  add(4, "interrupted", std::nullopt);
  std::vector<std::string> order;
  std::istringstream lines(leaderboard(results));
  std::string line, rank, id;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    words >> rank >> id;
    order.push_back(rank + ":" + id);
  }
  EXPECT_THAT(order, testing::ElementsAre("1:3", "2:2", "3:4", "-:0", "-:1"));
}

TEST(Leaderboard, CutsNoDigitsOffALongNumber) {
  Results results;
  results.own_metrics = {"rmse"};
  ModelResult model;
  model.status = "finished";
  model.valid_loss = 2.5e35;
  model.train_loss = 12345.5;
  model.own = {3e37};
  results.models.push_back(model);
  EXPECT_THAT(leaderboard(results), AllOf(HasSubstr("     2.5e+35  12345.5000  "), HasSubstr("rmse=3e+37")));
}

// ---- for programs

Results two_models() {
  Results results;
  results.own_metrics = {"macro_f1"};
  ModelResult slow, good;
  slow.id = ModelId(0);
  slow.status = "finished";
  slow.valid_accuracy = 0.5;
  slow.own = {0.25};
  slow.config = Config{{"lr", 0.1}, {"optimizer", std::string("a,\"b\"")}};
  good.id = ModelId(1);
  good.status = "stopped";
  good.reason = "no better for 3 epochs";
  good.epochs = 2;
  good.valid_accuracy = 0.75;
  good.kept_epoch = 1;
  good.own = {NAN};
  good.config = Config{{"lr", 0.01}, {"width", std::int64_t{8}}};
  results.models = {slow, good};
  return results;
}

TEST(ResultsCsv, HasALinePerModelBestFirst) {
  EXPECT_EQ(to_csv(two_models()),
            "rank,model,status,epochs,kept_epoch,train_loss,valid_loss,valid_accuracy,macro_f1,seconds,lr,optimizer,"
            "width,reason\n"
            "1,1,stopped,2,1,,,0.75,,0,0.01,,8,no better for 3 epochs\n"
            "2,0,finished,0,,,,0.5,0.25,0,0.1,\"a,\"\"b\"\"\",,\n");
}

TEST(ResultsFile, HasTheCurveOfEachModelAndItsBestEpoch) {
  Ledger ledger({.partitions = 1, .workers = 1, .epochs = 3});
  ledger.apply(record::Reserve{Attempt{9}});
  ledger.apply(record::Asked{ModelId(0), Config{{"lr", 0.1}}, 3, {}, {}});
  ledger.apply(record::Ticked{0, 1});
  Digest parent;
  for (std::uint32_t unit = 0; unit < 3; ++unit) {
    const Digest digest{unit + 1, 0};
    UnitMetrics metrics{.train_loss = 1.0 / (unit + 1), .rows = 10};
    metrics.valid_accuracy = unit == 1 ? 0.9 : 0.8;
    metrics.own = {unit == 2 ? NAN : 0.5};
    ledger.apply(record::Commit{ModelId(0), Unit(unit), PartitionId(0), WorkerId(0), Attempt{unit + 1}, parent, digest,
                                metrics});
    ledger.apply(record::Ticked{unit + 1, 0});
    parent = digest;
  }
  Results results = summarize(ledger, Objective::ValidAccuracy);
  results.own_metrics = {"macro_f1"};
  const auto curves = nlohmann::json::parse(to_json(results))["models"][0]["curves"];
  EXPECT_EQ(curves["valid_accuracy"], (nlohmann::json{0.8, 0.9, 0.8}));
  EXPECT_EQ(curves["train_loss"].size(), 3U);
  EXPECT_EQ(curves["macro_f1"], (nlohmann::json{0.5, 0.5, nullptr}));
  EXPECT_EQ(curves["best_epoch"], 2);
}

}  // namespace
}  // namespace hop::hopper
