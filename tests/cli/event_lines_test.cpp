// The events of a run, as lines: each test tells a ledger a story and judges the JSON.
#include "cli/event_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace hop::cli {
namespace {

using hopper::Ledger;
using Json = nlohmann::json;
namespace record = hopper::record;

// Two models over three partitions on two workers, for two epochs. Nothing is trained yet.
Ledger begun() {
  Ledger ledger(hopper::Itinerary{3, 2, 2, hopper::Order::Fixed});
  ledger.apply(record::Reserve{Attempt{1000}});
  for (std::uint32_t id = 0; id < 2; ++id) {
    ledger.apply(record::Asked{.model = ModelId{id}, .config = {{"lr", 0.5}, {"width", std::int64_t{8}}}, .epochs = 2});
  }
  ledger.apply(record::Ticked{0, 2});
  return ledger;
}

void train_an_epoch(Ledger& ledger, std::uint32_t id, double loss, double valid_loss = 0.25) {
  for (int unit = 0; unit < 3; ++unit) {
    const hopper::Model& model = ledger.model(ModelId{id});
    record::Commit commit;
    commit.model = model.id;
    commit.unit = model.next_unit();
    commit.partition = model.candidates.at(0);
    commit.worker = *ledger.itinerary().only_worker(commit.partition);
    commit.attempt = Attempt{1 + id * 100 + model.version.value};
    commit.parent = model.digest;
    commit.digest = {number_of(model.next_unit()), id + 1};
    commit.metrics.train_loss = loss;
    commit.metrics.rows = 10;
    commit.metrics.seconds = 2;
    if (unit == 2) {
      commit.metrics.valid_loss = valid_loss;
      commit.metrics.own = {0.75};
    }
    ledger.apply(commit);
  }
}

std::vector<Json> parsed(const EventLines::Lines& lines) {
  std::vector<Json> events;
  for (const std::string& line : lines) {
    EXPECT_EQ(line.find('\n'), std::string::npos);
    events.push_back(Json::parse(line));
  }
  return events;
}

TEST(EventLines, TellEachModelAndEachEpochOnce) {
  Ledger ledger = begun();
  EventLines events(hopper::Objective::ValidLoss, {"auc"});
  const auto models = parsed(events.news(ledger));
  ASSERT_EQ(models.size(), 2U);
  EXPECT_EQ(models[1],
            Json::parse(R"({"event": "model", "model": 1, "config": {"lr": 0.5, "width": 8}, "epochs": 2})"));

  train_an_epoch(ledger, 1, 0.5);
  const auto first = parsed(events.news(ledger));
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0], Json::parse(R"({"event": "epoch", "model": 1, "epoch": 1, "train_loss": 0.5, "valid_loss": 0.25,
      "valid_accuracy": null, "metrics": {"auc": 0.75}, "rows": 30, "seconds": 6.0})"));
  EXPECT_TRUE(events.news(ledger).empty());
}

TEST(EventLines, TellAtTheFirstCallWhatAResumedRunDidBefore) {
  Ledger ledger = begun();
  train_an_epoch(ledger, 0, 0.5);
  train_an_epoch(ledger, 1, 0.25);
  EventLines events(hopper::Objective::ValidLoss, {"auc"});
  const auto all = parsed(events.news(ledger));
  std::vector<std::string> kinds;
  for (const Json& event : all) kinds.push_back(event["event"]);
  EXPECT_THAT(kinds, ::testing::ElementsAre("model", "epoch", "model", "epoch"));
}

TEST(EventLines, TellWhyAModelEnded) {
  Ledger ledger = begun();
  EventLines events(hopper::Objective::ValidLoss, {"auc"});
  events.news(ledger);
  ledger.apply(record::Quarantine{ModelId{0}, "its unit failed"});
  const auto ended = parsed(events.news(ledger));
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0], Json::parse(R"({"event": "model_done", "model": 0, "status": "quarantined", "epochs": 0,
      "reason": "its unit failed"})"));
  EXPECT_TRUE(events.news(ledger).empty());
}

// JSON has no NaN and no infinity; a progress without an estimate has none.
TEST(EventLines, WriteNullForNumbersThatAreNone) {
  Ledger ledger = begun();
  EventLines events(hopper::Objective::ValidLoss, {"auc", "log_loss"});
  train_an_epoch(ledger, 0, 0.5, std::numeric_limits<double>::infinity());
  const auto news = parsed(events.news(ledger));
  ASSERT_GE(news.size(), 2U);
  EXPECT_TRUE(news[1]["valid_loss"].is_null());
  EXPECT_EQ(news[1]["train_loss"], 0.5);
  EXPECT_TRUE(news[1]["metrics"]["log_loss"].is_null());

  hopper::RunProgress progress{ledger};
  progress.workers.resize(2);
  progress.workers[1] = {.state = hopper::WorkerProgress::State::Busy,
                         .model = ModelId{1},
                         .epoch = Epoch{0},
                         .partition = PartitionId{2},
                         .fraction = 0.5};
  progress.units_done = 3;
  progress.units_total = 12;
  progress.eta_seconds = -1;
  const Json told = Json::parse(events.progress(progress));
  EXPECT_TRUE(told["seconds_left"].is_null());
  EXPECT_EQ(told["units_done"], 3);
  EXPECT_EQ(told["workers"][0], Json::parse(R"({"state": "starting"})"));
  EXPECT_EQ(told["workers"][1],
            Json::parse(R"({"state": "busy", "model": 1, "epoch": 1, "partition": 2, "fraction": 0.5})"));
}

TEST(EventLines, EndWithTheOutcomeOrTheError) {
  hopper::Results results;
  results.outcome = hopper::Outcome::Interrupted;
  results.best = ModelId{3};
  results.wall_seconds = 1.5;
  EXPECT_EQ(Json::parse(EventLines::done(results, "/runs/a", kInterrupted)),
            Json::parse(R"({"event": "done", "outcome": "interrupted", "exit_code": 4, "run_directory": "/runs/a",
                "best": 3, "seconds": 1.5})"));
  EXPECT_EQ(Json::parse(EventLines::failed({"bad data", "[csv] \xff", kBadInput}, "/runs/a", false)),
            Json::parse(R"({"event": "failed", "kind": "bad data", "text": "[csv] �", "exit_code": 2,
                "run_directory": "/runs/a", "resumable": false})"));
}

}  // namespace
}  // namespace hop::cli
