// A run that is given more epochs, judged by the SHA-256 of a run that had them from the start.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "hopper/journal.h"
#include "hopper/run.h"
#include "tests/hopper/glyphs.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::ThrowsMessage;

class Extension : public testing::Test {
 protected:
  Extension() { write_glyphs(folder_, 160, 4); }
  Experiment experiment(std::uint32_t epochs) const {
    Experiment e = toy_experiment(folder_);
    e.model.layers = {"flatten", "linear 8", "relu", "dropout 0.2", "linear 10"};
    e.search.epochs = epochs;
    e.search.space = {{"lr", Choices{0.01, 0.001, 0.003}}, {"optimizer", Choices{std::string("adam")}}};
    return e;
  }
  fs::path at(const std::string& name) const { return folder_ / name; }
  static std::map<std::uint32_t, std::string> hashes(const Results& results) {
    std::map<std::uint32_t, std::string> all;
    for (const ModelResult& model : results.models) all[model.id.value] = model.state_sha256;
    return all;
  }
  std::string refusal(const Experiment& short_one, std::uint32_t epochs) {
    fs::remove_all(at("refused"));
    run(short_one, {.run_directory = at("refused")});
    try {
      resume(at("refused"), {.epochs = epochs});
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  }

  TemporaryFolder folder_;
};

TEST_F(Extension, OfAFinishedRunGivesTheBitsOfALongOne) {
  const auto expected = hashes(run(experiment(5), {.run_directory = at("long")}).results);
  run(experiment(2), {.run_directory = at("short")});
  const Results results = resume(at("short"), {.epochs = 5}).results;
  EXPECT_EQ(hashes(results), expected);
  EXPECT_EQ(results.epochs, 5U);
  EXPECT_EQ(results.models[0].epochs, 5U);
  EXPECT_EQ(results.models[0].curve.size(), 5U);
  const Results seen = inspect(at("short"));
  EXPECT_EQ(hashes(seen), expected);
  EXPECT_EQ(seen.outcome, Outcome::Completed);
  for (const Replayed& replayed : replay(at("short"))) EXPECT_TRUE(replayed.matches) << replayed.model.value;
  EXPECT_FALSE(fs::exists(at("short") / "nodes")) << "nothing is left behind";
}

// A model may be epochs ahead of the search, which must still hear of each of them.
TEST(ExtendedLedger, KeepsTheEpochsThatTheSearchHasNotHeardOf) {
  Ledger ledger({.partitions = 1, .workers = 1, .epochs = 3});
  ledger.apply(record::Reserve{Attempt{9}});
  for (const std::uint32_t id : {0U, 1U}) ledger.apply(record::Asked{ModelId(id), {}, 2, {}, {}});
  ledger.apply(record::Ticked{0, 2});
  const auto commit = [&](std::uint32_t id) {
    const Model& model = ledger.model(ModelId(id));
    const Unit unit = model.next_unit();
    ledger.apply(record::Commit{model.id,
                                unit,
                                PartitionId(0),
                                WorkerId(0),
                                Attempt{1 + unit.value},
                                model.digest,
                                {id + 1, unit.value + 1},
                                {.train_loss = 1, .rows = 10}});
  };
  commit(0);
  commit(0);
  ASSERT_EQ(ledger.model(ModelId(0)).status, Status::Finished);
  ledger.apply(record::Extended{3});
  EXPECT_EQ(ledger.model(ModelId(0)).status, Status::Running);
  EXPECT_EQ(ledger.model(ModelId(1)).goal, 3U);
  for (const std::uint32_t tick : {1U, 2U}) {
    commit(1);
    EXPECT_EQ(ledger.news(ledger.model(ModelId(0))), News::Epoch) << "tick " << tick;
    ASSERT_TRUE(ledger.tick_is_over());
    ledger.apply(record::Ticked{tick, 0});
  }
  EXPECT_FALSE(ledger.tick_is_over()) << "both train a third epoch";
}

TEST_F(Extension, TrainsNoEpochAgain) {
  run(experiment(2), {.run_directory = at("short")});
  const std::size_t before = read_journal(at("short") / "journal").records.size();
  resume(at("short"), {.epochs = 3});
  const JournalContents after = read_journal(at("short") / "journal");
  std::size_t commits = 0;
  for (std::size_t i = before; i < after.records.size(); ++i) {
    EXPECT_FALSE(std::holds_alternative<record::Rollback>(after.records[i]));
    if (std::holds_alternative<record::Commit>(after.records[i])) ++commits;
  }
  EXPECT_EQ(commits, 3U * 4U) << "three models, one epoch of four partitions";
}

TEST_F(Extension, OfAnInterruptedRunGivesTheSameBits) {
  const auto expected = hashes(run(experiment(4), {.run_directory = at("long")}).results);
  RunControl control;
  RunOptions options{.run_directory = at("short"), .control = &control};
  options.progress_interval = Time::zero();
  options.on_progress = [&](const RunProgress& progress) {
    if (progress.units_done >= 5) control.stop();
  };
  ASSERT_EQ(run(experiment(2), options).results.outcome, Outcome::Interrupted);
  EXPECT_EQ(hashes(resume(at("short"), {.epochs = 4}).results), expected);
}

TEST_F(Extension, MayBeRepeatedAndInterrupted) {
  const auto expected = hashes(run(experiment(5), {.run_directory = at("long")}).results);
  run(experiment(2), {.run_directory = at("short")});
  resume(at("short"), {.epochs = 3});
  RunControl control;
  RunOptions options{.control = &control, .epochs = 5};
  options.progress_interval = Time::zero();
  options.on_progress = [&](const RunProgress& progress) {
    if (progress.units_done >= 40) control.stop();
  };
  ASSERT_EQ(resume(at("short"), options).results.outcome, Outcome::Interrupted);
  EXPECT_EQ(hashes(resume(at("short")).results), expected) << "the journal remembers the epochs";
}

TEST_F(Extension, ThatIsInterruptedLeavesTheModelsOfBefore) {
  run(experiment(2), {.run_directory = at("short")});
  const auto before = hashes(inspect(at("short")));
  const auto weights = [&] {
    std::vector<std::vector<float>> all;
    for (const std::uint32_t id : {0U, 1U, 2U}) {
      for (const Tensor& parameter : load_model(at("short"), ModelId(id))->parameters()) {
        all.emplace_back(parameter.data<float>(), parameter.data<float>() + parameter.numel());
      }
    }
    return all;
  };
  const auto expected = weights();
  RunControl control;
  RunOptions options{.control = &control, .epochs = 200};
  options.progress_interval = Time::zero();
  options.on_progress = [&](const RunProgress& progress) {
    if (progress.units_done >= 40) control.stop();
  };
  ASSERT_EQ(resume(at("short"), options).results.outcome, Outcome::Interrupted);
  for (const ModelResult& model : inspect(at("short")).models) {
    EXPECT_EQ(model.state_sha256, "");
    EXPECT_EQ(model.earlier_epoch, 2U);
    EXPECT_EQ(model.earlier_sha256, before.at(model.id.value));
  }
  EXPECT_EQ(weights(), expected);
}

TEST_F(Extension, WithoutTheStatesOfTheNodesTrainsAgainAndGivesTheSameBits) {
  const auto expected = hashes(run(experiment(3), {.run_directory = at("long")}).results);
  run(experiment(2), {.run_directory = at("short")});
  RunControl control;
  RunOptions options{.control = &control, .epochs = 3};
  options.progress_interval = Time::zero();
  options.on_progress = [&](const RunProgress&) { control.stop(); };
  resume(at("short"), options);
  fs::remove_all(at("short") / "nodes");
  EXPECT_EQ(hashes(resume(at("short")).results), expected);
}

TEST_F(Extension, IsRefusedWhereTheBitsWouldBeOthers) {
  EXPECT_THAT(refusal(experiment(2), 2), HasSubstr("expected more than the 2 that the run has, got 2"));
  Experiment cosine = experiment(2);
  cosine.search.space.emplace_back("schedule", Choices{std::string("cosine")});
  EXPECT_THAT(refusal(cosine, 3), HasSubstr("the learning rate of model 0"));
  cosine.search.space.emplace_back("t_max", Choices{std::int64_t{1000}});
  EXPECT_EQ(refusal(cosine, 3), "") << "its end is said";
  Experiment stopping = experiment(2);
  stopping.search.stop = {"patience"};
  EXPECT_THAT(refusal(stopping, 3), HasSubstr("early stopping"));
  Experiment halving = experiment(2);
  halving.search.method = "halving";
  EXPECT_THAT(refusal(halving, 3), HasSubstr("\"halving\" chose its models for 2 epochs"));
}

}  // namespace
}  // namespace hop::hopper
