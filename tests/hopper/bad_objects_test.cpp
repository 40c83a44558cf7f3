// Objects of an application that break their contract: the error comes early, is typed and names the object.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "autograd/ops.h"
#include "base/error.h"
#include "hopper/run.h"
#include "hopper/simulate/run.h"
#include "kernels/copy.h"
#include "tests/hopper/glyphs.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

// ---- policies

struct IdlePolicy final : Policy {
  std::optional<Choice> next(const ScheduleView&) const override { return std::nullopt; }
  std::string_view name() const override { return "idle"; }
};

// Chooses the first model that is ready, at the owner of its partition, even if that worker's queue is full.
struct CrowdingPolicy final : Policy {
  std::optional<Choice> next(const ScheduleView& view) const override {
    const ModelView& model = view.models[view.ready.front().index()];
    return Choice{model.id, *view.itinerary.only_worker(model.candidates.front()), model.candidates.front()};
  }
};

struct StrayPolicy final : Policy {
  explicit StrayPolicy(Choice choice) : choice_(choice) {}
  std::optional<Choice> next(const ScheduleView&) const override { return choice_; }
  Choice choice_;
};

Experiment simulated(PolicyMaker policy) {
  Experiment e;
  e.data.partitions = 2;
  e.run.workers = 2;
  e.run.policy = std::move(policy);
  Choices many;
  for (std::int64_t i = 0; i < 12; ++i) many.emplace_back(i);
  e.search.space = {{"i", many}};
  return e;
}

TEST(BadPolicy, ThatLeavesAllIdleEndsTheRunAndIsNamed) {
  const Experiment e = simulated([] { return std::make_unique<IdlePolicy>(); });
  EXPECT_THAT(
      [&] { simulate::run(e); },
      ThrowsMessage<RunError>(HasSubstr("[run] policy \"idle\": expected a choice, got none, although 12 models")));
}

TEST(BadPolicy, ThatChoosesWhatCannotBeIsNamed) {
  EXPECT_THAT(
      [] { simulate::run(simulated([] { return std::make_unique<CrowdingPolicy>(); })); },
      ThrowsMessage<RunError>(HasSubstr("[run] policy \"own code\": expected a worker with room for a lease, got")));
  const std::pair<Choice, const char*> strays[] = {
      {{ModelId(99), WorkerId(0), PartitionId(0)}, "a model that there is"},
      {{ModelId(0), WorkerId(99), PartitionId(0)}, "a worker that there is"},
      {{ModelId(0), WorkerId(0), PartitionId(99)}, "a partition that the model owes"},
      {{ModelId(0), WorkerId(1), PartitionId(0)}, "a worker that may train the unit there"}};
  for (const auto& stray : strays) {
    const Choice choice = stray.first;
    EXPECT_THAT([&] { simulate::run(simulated([choice] { return std::make_unique<StrayPolicy>(choice); })); },
                ThrowsMessage<RunError>(AllOf(HasSubstr("[run] policy"), HasSubstr(stray.second))));
  }
}

// ---- simulated seconds

TEST(Simulated, TakesNoSecondsThatAreNone) {
  Experiment e = simulated({});
  for (const double seconds : {-5.0, std::nan(""), 1e300, std::numeric_limits<double>::infinity()}) {
    const auto pass_seconds = [seconds](ModelId, const Config&) { return seconds; };
    EXPECT_THAT([&] { simulate::run(e, {.pass_seconds = pass_seconds}); },
                ThrowsMessage<ConfigError>(HasSubstr("pass_seconds: expected 0 to")));
    EXPECT_THROW(simulate::run(e, {.transfer_seconds = seconds}), ConfigError);
    EXPECT_THROW(simulate::run(e, {.sync_seconds = seconds}), ConfigError);
    EXPECT_THROW(simulate::run(e, {.jitter = seconds}), ConfigError);
  }
  e.search.epochs = 1000;
  EXPECT_THAT([&] { simulate::run(e, {.pass_seconds = [](ModelId, const Config&) { return 3e7; }}); },
              ThrowsMessage<ConfigError>(HasSubstr("at most 100 years")));
}

TEST(Simulated, LastsUntilItsLastCommitIsDurable) {
  Experiment e = simulated({});
  e.search.space = {{"i", Choices{std::int64_t{0}}}};
  const simulate::RunReport report = simulate::run(e, {.jitter = 0, .transfer_seconds = 0.5, .sync_seconds = 0.25});
  // Ask, reserve, unit, commit, hop, unit, commit. The collection of the final state comes later and is not counted.
  EXPECT_NEAR(report.makespan_seconds, 0.25 + 0.25 + 1 + 0.25 + 0.5 + 1 + 0.25, 1e-6);
}

TEST(Simulated, AHopTakesTheTimeOfItsBytes) {
  Experiment e = simulated({});
  e.search.space = {{"i", Choices{std::int64_t{0}}}};
  simulate::RunOptions options{.jitter = 0, .transfer_seconds = 0.5, .sync_seconds = 0.25};
  options.state_bytes = [](ModelId, const Config&) { return 300; };
  const double without = simulate::run(e, options).makespan_seconds;
  options.bytes_per_second = 200;
  const simulate::RunReport report = simulate::run(e, options);
  EXPECT_EQ(report.hops, 1U);
  EXPECT_EQ(report.hop_bytes, 300);
  EXPECT_NEAR(report.makespan_seconds, without + 1.5, 1e-6);
  options.state_bytes = [](ModelId, const Config&) { return std::nan(""); };
  EXPECT_THAT([&] { simulate::run(e, options); },
              ThrowsMessage<ConfigError>(HasSubstr("state_bytes / bytes_per_second")));
  for (const double rate : {-5.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW(simulate::run(e, {.bytes_per_second = rate}), ConfigError);
  }
}

// ---- whole runs

class BadObjects : public OnGlyphs<160, 2> {
 protected:
  static Experiment experiment() {
    Experiment e = toy_experiment(*folder_);
    e.model.layers = {"flatten", "linear 10"};
    e.search.space = {{"lr", Choices{0.01}}};
    return e;
  }
  static nn::Metric metric(const std::string& name, std::function<Tensor(const Tensor&, const Tensor&)> sums) {
    return {.name = name, .sums = std::move(sums)};
  }
  static Tensor hits(const Tensor& output, const Tensor& target) { return sum(eq(argmax(output, -1), target)); }
};

TEST_F(BadObjects, APolicyThatLeavesAllIdleEndsTheRun) {
  Experiment e = experiment();
  e.run.policy = [] { return std::make_unique<IdlePolicy>(); };
  EXPECT_THAT([&] { run(e); }, ThrowsMessage<RunError>(HasSubstr("[run] policy \"idle\": expected a choice")));
}

// One batch holds all 32 validation rows: only another number of rows shows that a sum is missing.
TEST_F(BadObjects, AMetricSumsOverTheRows) {
  const auto error_of = [](std::function<Tensor(const Tensor&, const Tensor&)> sums) {
    Experiment e = experiment();
    e.model.metrics = {metric("mine", std::move(sums))};
    try {
      run(e);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(error_of([](const Tensor& output, const Tensor& target) { return eq(argmax(output, -1), target); }),
              AllOf(HasSubstr("[model] metrics"), HasSubstr("mine"), HasSubstr("is a sum over the rows missing?")));
  EXPECT_THAT(error_of([](const Tensor&, const Tensor&) { return kernels::zeros({0}, DType::f32); }),
              HasSubstr("over the rows from mine, got (0)"));
  EXPECT_THAT(error_of([](const Tensor& output, const Tensor&) { return output; }), HasSubstr("mine, got (2, 10)"));
  EXPECT_EQ(error_of([](const Tensor& output, const Tensor&) { return sum(output, {0}); }), "no error") << "(classes)";
}

TEST_F(BadObjects, MetricsHaveWordsForNamesAndEachItsOwn) {
  const auto error_of = [](std::vector<NameOr<nn::Metric>> metrics) {
    Experiment e = experiment();
    e.model.metrics = std::move(metrics);
    try {
      e.check();
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(error_of({metric("m", hits), metric("m", hits)}), HasSubstr("each name once, got \"m\" again"));
  EXPECT_THAT(error_of({metric("accuracy", hits), "accuracy"}), HasSubstr("got \"accuracy\" again"));
  EXPECT_THAT(error_of({"accuracy", "accuracy"}), HasSubstr("got \"accuracy\" again"));
  for (const char* name : {"", "a b", "a.b", "a-b", "caf\xc3\xa9", "caf\xe9", "a\"b"}) {
    EXPECT_THAT(error_of({metric(name, hits)}), HasSubstr("a name of letters, digits")) << name;
  }
  EXPECT_THAT(error_of({metric("m", {})}), HasSubstr("a metric with `sums`"));
  EXPECT_EQ(error_of({metric("macro_F1", hits), "accuracy"}), "no error");
}

TEST_F(BadObjects, AnObjectiveIsMeasured) {
  const auto error_of = [](const Experiment& e) {
    try {
      run(e);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  Experiment e = experiment();
  e.search.objective = Objective::own(true);
  EXPECT_THAT(error_of(e), AllOf(HasSubstr("[search] objective"), HasSubstr("none beside the accuracy")));
  e.search.objective = Objective::ValidAccuracy;
  e.model.metrics.clear();
  EXPECT_THAT(error_of(e), HasSubstr("does not name \"accuracy\""));

  e = experiment();
  e.data.source = "glyphs";
  e.data.validation = data::Validation::none();
  e.search.objective = Objective::ValidLoss;
  EXPECT_THAT(error_of(e), HasSubstr("no validation rows"));
}

TEST_F(BadObjects, WithoutValidationRowsTheTrainingLossRanksAndTheRunSaysSo) {
  data::write_dataset(data::glyphs({.train_rows = 160}), *folder_ / "bare", {.name = "bare", .partitions = 2});
  Experiment e = experiment();
  e.data.source = *folder_ / "bare";
  e.search.space = {{"lr", Choices{0.01, 0.0}}};
  std::vector<std::string> notices;
  RunOptions options{.run_directory = *folder_ / "ranked"};
  options.on_notice = [&](const std::string& line) { notices.push_back(line); };
  const RunResult result = run(e, options);
  EXPECT_THAT(notices, testing::Contains(HasSubstr("ranked by train_loss")));
  EXPECT_EQ(result.results.best, ModelId(0));
  EXPECT_NE(result.best_model, nullptr);
  EXPECT_EQ(resume(*folder_ / "ranked").results.best, ModelId(0));
}

TEST_F(BadObjects, NumbersThatAreNoneAreRefusedByName) {
  const auto error_of = [](const std::function<void(Experiment&)>& change) {
    Experiment e = experiment();
    change(e);
    try {
      e.check();
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  const double nan = std::nan("");
  EXPECT_THAT(error_of([&](Experiment& e) { e.data.scale = data::Scale{0, nan}; }), HasSubstr("[data] scale"));
  EXPECT_THAT(error_of([&](Experiment& e) { e.data.partitions = 0; }), HasSubstr("[data] partitions"));
  EXPECT_THAT(error_of([&](Experiment& e) { e.data.validation = data::Validation::tail(0); }),
              HasSubstr("[data] validation"));
  EXPECT_THAT(error_of([&](Experiment& e) { e.data.validation = data::Validation::fraction(nan); }),
              HasSubstr("[data] validation"));
  EXPECT_THAT(error_of([&](Experiment& e) { e.search.space = {{"lr", Choices{nan}}}; }), HasSubstr("`lr`"));
  EXPECT_THAT(error_of([&](Experiment& e) {
                e.search.space = {{"who", Choices{std::string("caf\xe9")}}};
              }),
              HasSubstr("expected UTF-8, got \"caf\\xe9\""));
  EXPECT_THAT(error_of([&](Experiment& e) { e.search.space = {{"caf\xe9", Choices{1.0}}}; }), HasSubstr("in UTF-8"));
}

}  // namespace
}  // namespace hop::hopper
