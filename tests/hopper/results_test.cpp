// results.json and the leaderboard: valid for any text, and ranked by models that came through.
#include "hopper/results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
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

}  // namespace
}  // namespace hop::hopper
