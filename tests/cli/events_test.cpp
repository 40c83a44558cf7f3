// hop run --events: another program follows a run through a descriptor.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/cli/toy_run.h"

namespace hop::testing {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

class Events : public ToyRun {
 protected:
  // Runs a line of the shell, in which `hop` is the program.
  static Finished line(const std::string& text) {
    return shell("hop() { " HOP_PROGRAM " \"$@\"; }; " + text, folder_->path());
  }
  static std::vector<Json> events(const std::string& file) {
    std::vector<Json> all;
    std::istringstream lines(read(*folder_ / file));
    for (std::string text; std::getline(lines, text);) all.push_back(Json::parse(text));
    return all;
  }
  static std::vector<Json> of_kind(const std::vector<Json>& all, const std::string& kind) {
    std::vector<Json> some;
    for (const Json& event : all) {
      if (event["event"] == kind) some.push_back(event);
    }
    return some;
  }
};

TEST_F(Events, FollowTheRunFromBeginningToEnd) {
  const Finished finished = line("hop run toy.toml --run-dir told --json --events 3 3>told.jsonl");
  ASSERT_EQ(finished.code, 0) << finished.err;
  const auto all = events("told.jsonl");
  ASSERT_GE(all.size(), 3U);
  EXPECT_EQ(all.front()["event"], "started");
  EXPECT_EQ(all.front()["version"], 1);
  EXPECT_EQ(all.front()["objective"], "valid_accuracy");
  EXPECT_EQ(all.back()["event"], "done");
  EXPECT_EQ(all.back()["outcome"], "completed");
  EXPECT_EQ(all.back()["run_directory"], (fs::canonical(folder_->path()) / "told").string());

  const Json results = Json::parse(finished.out);
  EXPECT_EQ(all.back()["best"], results["best"]);
  EXPECT_EQ(of_kind(all, "model").size(), results["models"].size());
  EXPECT_EQ(of_kind(all, "model_done").size(), results["models"].size());
  const auto epochs = of_kind(all, "epoch");
  EXPECT_EQ(epochs.size(), 3 * results["models"].size());
  for (const Json& epoch : epochs) {
    const Json& curves = results["models"][epoch["model"].get<std::size_t>()]["curves"];
    const auto place = epoch["epoch"].get<std::size_t>() - 1;
    EXPECT_EQ(epoch["train_loss"], curves["train_loss"][place]);
    EXPECT_EQ(epoch["valid_accuracy"], curves["valid_accuracy"][place]);
  }
  const auto progress = of_kind(all, "progress");
  ASSERT_FALSE(progress.empty());
  EXPECT_EQ(progress.back()["units_done"], progress.back()["units_total"]);
  EXPECT_EQ(hashes(*folder_ / "told"), *expected_) << "to be watched changes no bit";
}

TEST_F(Events, EndWithTheErrorThatThePersonReads) {
  const Finished finished = line("hop run toy.toml --run-dir none --set data.source=calm --events 3 3>none.jsonl");
  EXPECT_EQ(finished.code, 2);
  const auto all = events("none.jsonl");
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1]["event"], "failed");
  EXPECT_EQ(all[1]["kind"], "bad data");
  EXPECT_EQ(all[1]["exit_code"], 2);
  EXPECT_EQ(all[1]["resumable"], false);
  EXPECT_THAT(finished.err, HasSubstr(all[1]["text"].get<std::string>()));
}

// The program that wanted the run has ended.
TEST_F(Events, StopTheRunWhenNobodyReadsThem) {
  const Finished finished = line(
      "{ hop run toy.toml --run-dir left --set search.epochs=200 --json --events 3 3>&1 >/dev/null; echo $? "
      ">left.code; "
      "} | head -1 >left.jsonl");
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(read(*folder_ / "left.code"), "4\n");
  EXPECT_EQ(events("left.jsonl").at(0)["event"], "started");
}

TEST_F(Events, NeedAFileThatIsOpenForWriting) {
  EXPECT_EQ(line("hop run toy.toml --events 9 9>&-").code, 1);
  EXPECT_EQ(line("hop run toy.toml --events 3 3<toy.toml").code, 1);
  const Finished two = line("hop run toy.toml --events 2");
  EXPECT_EQ(two.code, 1);
  EXPECT_THAT(two.err, HasSubstr("3 or higher, got 2"));
  EXPECT_FALSE(fs::exists(*folder_ / "runs"));
}

}  // namespace
}  // namespace hop::testing
