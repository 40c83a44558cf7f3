// Searches that stop, pause and clone models, in whole runs: the bits are those of one worker without a fault. Judged
// by the SHA-256 of every model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <optional>

#include "base/error.h"
#include "hopper/detail/clone_check.h"
#include "hopper/run.h"
#include "tests/hopper/evolution.h"
#include "tests/hopper/glyphs.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

// The facts of a model that must not depend on workers and faults.
struct Outline {
  std::string status, reason, sha256;
  std::uint32_t epochs = 0;
  Config config{};
  bool operator==(const Outline&) const = default;
};

void PrintTo(const Outline& o, std::ostream* out) {
  *out << o.status << " after " << o.epochs << " (" << o.reason << ") " << o.config.to_text() << " " << o.sha256;
}

std::map<std::uint32_t, Outline> outline(const Results& results) {
  std::map<std::uint32_t, Outline> all;
  for (const ModelResult& m : results.models) {
    all[m.id.value] = {m.status, m.reason, m.state_sha256, m.epochs, m.config};
  }
  return all;
}

class SearchRun : public OnGlyphs<640, 4> {
 protected:
  static fs::path fresh(const std::string& name) { return *folder_ / name; }

  static Experiment experiment() {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.model.layers = {"flatten", "dropout 0.1", "linear 16", "relu", "linear 10"};
    e.search.objective = Objective::ValidLoss;
    e.run.workers = 1;
    return e;
  }
  static Experiment halving() {
    Experiment e = experiment();
    e.search.method = "halving";
    e.search.epochs = 4;
    e.search.settings = {{"samples", std::int64_t{6}}, {"eta", std::int64_t{2}}};
    e.search.space = {{"lr", Range{0.0001, 0.02, Scale::Log}}, {"optimizer", Choices{std::string("adam")}}};
    return e;
  }
  static Experiment evolution() {
    Experiment e = experiment();
    e.search.epochs = 4;
    e.search.make = [](const SearchInput& input) { return std::make_unique<Evolution>(4, input.epochs); };
    return e;
  }

  // Ends the run at once or after the units in flight, again and again, and resumes it.
  static Results disturbed(const Experiment& e, const std::string& name) {
    RunOptions options;
    options.progress_interval = std::chrono::milliseconds(1);
    std::uint64_t before = 0;
    int ended = 0;
    const auto once = [&](const auto& go) {
      RunControl control;
      options.control = &control;
      options.on_progress = [&](const RunProgress& progress) {
        if (progress.units_done < before + 5) return;
        before = progress.units_done;
        ++ended % 2 == 0 ? control.abort() : (control.stop(), true);
      };
      return go().results;
    };
    options.run_directory = fresh(name);
    Results results = once([&] { return run(e, options); });
    while (results.outcome != Outcome::Completed) {
      results = once([&] { return resume(fresh(name), options, e); });
    }
    EXPECT_GE(ended, 3) << "the run was not disturbed";
    return results;
  }

  static void expect_same_bits_everywhere(Experiment e, const std::string& name) {
    const auto expected = outline(run(e).results);
    e.run.workers = 4;
    EXPECT_EQ(outline(run(e, {.run_directory = fresh(name)}).results), expected) << "on four workers";
    EXPECT_EQ(outline(disturbed(e, name + "-disturbed")), expected) << "interrupted and resumed";
    for (const Replayed& replayed : replay(fresh(name + "-disturbed"), {}, {}, e)) {
      EXPECT_TRUE(replayed.matches) << "model " << replayed.model.value << " trained alone, with its ancestors";
    }
  }
};

TEST_F(SearchRun, HalvingGivesTheSameBitsForAnyNumberOfWorkersAndFaults) {
  expect_same_bits_everywhere(halving(), "halving");
  const Results results = inspect(fresh("halving"));
  std::map<std::uint32_t, std::uint32_t> models_by_epochs;
  for (const ModelResult& model : results.models) ++models_by_epochs[model.epochs];
  EXPECT_EQ(models_by_epochs, (std::map<std::uint32_t, std::uint32_t>{{1, 3}, {2, 2}, {4, 1}}));
  EXPECT_EQ(results.model(*results.best).status, "finished");
}

TEST_F(SearchRun, ClonesGiveTheSameBitsForAnyNumberOfWorkersAndFaults) {
  expect_same_bits_everywhere(evolution(), "evolution");
  const Results results = inspect(fresh("evolution"));
  ASSERT_GE(results.models.size(), 7U);
  const ModelResult& clone = results.models[4];
  ASSERT_TRUE(clone.parent);
  EXPECT_EQ(clone.parent->epoch, Epoch{0});
  EXPECT_EQ(clone.visits.size(), clone.epochs * 4U);
  std::ifstream file(fresh("evolution") / "results.json");
  const std::string json{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(json, AllOf(HasSubstr("\"parent\""), HasSubstr("replaced by a clone of model")));
}

TEST_F(SearchRun, GoesOnWithoutTheApplicationsSearchWhileTheJournalReaches) {
  const Experiment e = evolution();
  const auto expected = outline(run(e).results);
  RunControl control;
  RunOptions options{.run_directory = fresh("alone"), .progress_interval = std::chrono::milliseconds(1)};
  options.control = &control;
  options.on_progress = [&](const RunProgress& progress) {
    if (progress.units_done >= 2) control.stop();
  };
  run(e, options);
  const Results alone = resume(fresh("alone")).results;
  EXPECT_EQ(alone.outcome, Outcome::Interrupted);
  EXPECT_EQ(alone.models.size(), 4U) << "nobody asked for more";
  for (const ModelResult& model : alone.models)
    EXPECT_EQ(model.epochs, 1U) << "all stand where the search has the word";
  EXPECT_EQ(inspect(fresh("alone")).models.size(), 4U);
  EXPECT_EQ(outline(resume(fresh("alone"), {}, e).results), expected);
}

TEST_F(SearchRun, StoppingRulesCombineWithAnyMethod) {
  Experiment e = halving();
  e.search.settings = {{"samples", std::int64_t{6}}, {"eta", std::int64_t{2}}, {"upper", 2.0}};
  e.search.stop = {"threshold"};
  e.search.space[0].second = Choices{0.01, 0.0000001};  // the second one learns nothing: its loss stays near log 10
  const auto expected = outline(run(e).results);
  std::uint32_t by_rule = 0;
  for (const auto& [id, model] : expected) by_rule += model.reason.find("is above 2") != std::string::npos ? 1U : 0U;
  EXPECT_GE(by_rule, 1U);
  e.run.workers = 4;
  EXPECT_EQ(outline(run(e).results), expected);
  e.search.method = "grid";
  e.search.settings = {{"upper", 2.0}};
  const auto of_grid = outline(run(e).results);
  EXPECT_EQ(of_grid.at(0).status, "finished");
  EXPECT_EQ(of_grid.at(1).status, "stopped");
  EXPECT_EQ(of_grid.at(1).epochs, 1U);
  EXPECT_THAT(of_grid.at(1).reason, HasSubstr("valid_loss = 2."));
}

// One model, and a clone of it after its first epoch.
struct CloneOnce final : Search {
  CloneOnce(Config first, Config clone) : first_(std::move(first)), clone_(std::move(clone)) {}
  std::optional<Proposal> ask() override {
    if (asked_++ == 0) return Proposal{first_};
    if (asked_ == 3) return Proposal{clone_, Parent{ModelId{0}, Epoch{0}}};
    return std::nullopt;
  }
  bool barrier_at(Epoch) const override { return true; }
  Config first_, clone_;
  int asked_ = 0;
};

std::string refusal_of_clone(Experiment e, const Config& first, const Config& clone) {
  e.search.epochs = 2;
  e.search.make = [&](const SearchInput&) { return std::make_unique<CloneOnce>(first, clone); };
  try {
    run(e);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(SearchRun, RefusesACloneWhoseStateHasAnotherLayout) {
  Experiment e = experiment();
  e.model.layers.clear();
  e.model.family = "mlp";
  EXPECT_THAT(refusal_of_clone(e, {{"hidden", std::int64_t{8}}}, {{"hidden", std::int64_t{16}}}),
              AllOf(HasSubstr("model 1, a clone of model 0"), HasSubstr("hidden = 16 instead of 8")));
}

// At a resume the journal has the models already. What the search says again may be anything: a library computes
// otherwise than before.
TEST_F(SearchRun, IsNotEndedByWhatASearchSaysAgainAtAResume) {
  Experiment e = experiment();
  e.model.layers.clear();
  e.model.family = "mlp";
  e.search.epochs = 3;
  const auto say = [](std::int64_t first, std::int64_t clone) {
    return [=](const SearchInput&) {
      return std::make_unique<CloneOnce>(Config{{"hidden", first}}, Config{{"hidden", clone}});
    };
  };
  e.search.make = say(8, 8);
  const auto expected = outline(run(e).results);
  ASSERT_EQ(expected.size(), 2U);
  RunControl control;
  RunOptions options{.run_directory = fresh("again"), .progress_interval = std::chrono::milliseconds(1)};
  options.control = &control;
  options.on_progress = [&](const RunProgress& progress) {
    if (progress.units_done >= 6) control.stop();  // the clone is there
  };
  const Results stopped = run(e, options).results;
  ASSERT_EQ(stopped.outcome, Outcome::Interrupted);
  ASSERT_EQ(stopped.models.size(), 2U);
  e.search.make = say(-1, 16);  // no model, and a clone of another layout
  EXPECT_EQ(outline(resume(fresh("again"), {}, e).results), expected);
}

// Stops its model after the first epoch, and says why at length.
struct Talkative final : Search {
  std::optional<Proposal> ask() override { return asked_++ == 0 ? std::optional(Proposal{}) : std::nullopt; }
  std::vector<SearchOrder> end_of_tick() override {
    if (ended_++ > 0) return {};
    return {SearchOrder::stop(ModelId{0}, "enough: " + std::string(std::size_t{2} << 20U, 'x'))};
  }
  bool barrier_at(Epoch) const override { return true; }
  int asked_ = 0, ended_ = 0;
};

TEST_F(SearchRun, TakesAReasonOfMegabytes) {
  Experiment e = experiment();
  e.search.epochs = 2;
  e.search.make = [](const SearchInput&) { return std::make_unique<Talkative>(); };
  const Results results = run(e, {.run_directory = fresh("talkative")}).results;
  EXPECT_EQ(results.models[0].status, "stopped");
  EXPECT_THAT(results.models[0].reason, testing::StartsWith("enough: xxx"));
  EXPECT_EQ(outline(inspect(fresh("talkative"))), outline(results));
}

// The steps of its parent would be counted as if they had been of its own size, and its rate would jump.
TEST_F(SearchRun, RefusesACloneWhoseScheduleCountsOtherSteps) {
  const Config::Entry cosine = {"schedule", std::string("cosine")}, constant = {"schedule", std::string("constant")},
                      plateau = {"schedule", std::string("plateau")}, factor = {"factor", 0.5},
                      by_epoch = {"schedule_by", std::string("epoch")}, batch16 = {"batch_size", std::int64_t{16}},
                      batch32 = {"batch_size", std::int64_t{32}}, two = {"accumulate", std::int64_t{2}};
  const auto refusal = [](const Config& parent, const Config& clone) {
    return refusal_of_clone(experiment(), parent, clone);
  };
  EXPECT_THAT(refusal({cosine, batch32}, {cosine, batch16}),
              AllOf(HasSubstr("batch_size = 16 instead of 32"), HasSubstr("expected the steps per epoch of its parent"),
                    HasSubstr("write the batch_size and accumulate of the parent")));
  EXPECT_THAT(refusal({cosine, batch32}, {cosine, batch32, two}), HasSubstr("accumulate = 2 instead of none"));
  EXPECT_EQ(refusal({cosine, batch32}, {cosine, batch16, two}), "no error") << "as many steps";
  EXPECT_THAT(refusal({constant, factor, batch32}, {constant, factor, batch16}), HasSubstr("steps per epoch"));
  EXPECT_EQ(refusal({constant, batch32}, {constant, batch16}), "no error");
  EXPECT_EQ(refusal({constant, batch32}, {cosine, batch32}), "no error");
  EXPECT_EQ(refusal({plateau, batch32}, {plateau, batch16}), "no error") << "a plateau counts epochs";
  EXPECT_EQ(refusal({cosine, by_epoch, batch32}, {cosine, by_epoch, batch16}), "no error");

  Experiment averaged = experiment();
  averaged.model.swa_start = 1;
  averaged.model.swa_lr = 0.01;
  EXPECT_THAT(refusal_of_clone(averaged, {batch32}, {batch16}), HasSubstr("steps per epoch"))
      << "its anneal counts steps";
}

TEST_F(SearchRun, RefusesACloneWhoseGrandparentTookOtherSteps) {
  const Config::Entry constant = {"schedule", std::string("constant")}, cosine = {"schedule", std::string("cosine")};
  const Config first = {constant, {"batch_size", std::int64_t{32}}},
               second = {constant, {"batch_size", std::int64_t{16}}};
  const record::Asked clone{
      ModelId(2), {cosine, {"batch_size", std::int64_t{16}}}, 3, Parent{ModelId(1), Epoch(1)}, {}};
  const Experiment e = experiment();
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  const Config* const ancestors[] = {&second, &first};
  EXPECT_THAT([&] { clone_check(e, data)(clone, ancestors); },
              testing::ThrowsMessage<ConfigError>(HasSubstr("the steps per epoch of its parent's ancestors")));
  EXPECT_NO_THROW(clone_check(e, data)(clone, std::span(ancestors).first(1)));
}

}  // namespace
}  // namespace hop::hopper
