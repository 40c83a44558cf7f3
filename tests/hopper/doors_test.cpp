// Objects that an application brings instead of names: rows, a loss, metrics, an optimizer, a search, a policy.
// Long because each kind of object is a door of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "autograd/ops.h"
#include "base/error.h"
#include "data/glyphs.h"
#include "hopper/run.h"
#include "hopper/schedule/policies.h"
#include "hopper/search/grid.h"
#include "hopper/simulate/run.h"
#include "hopper/strategy/task_parallel.h"
#include "nn/optim/sgd.h"
#include "tests/hopper/glyphs.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

template <class F>
std::string error_of(const F& f) {
  try {
    f();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

std::map<std::uint32_t, std::string> hashes(const Results& results) {
  std::map<std::uint32_t, std::string> hashes;
  for (const ModelResult& model : results.models) hashes[model.id.value] = model.state_sha256;
  return hashes;
}

// ---- policies

TEST(PolicyTable, MakesEveryPolicyAndEachOneFinishesARunInEitherOrder) {
  for (const PolicyRow& row : policies()) {
    for (const Order order : {Order::Fixed, Order::Free}) {
      Experiment e;
      e.data.partitions = 6;
      e.run.workers = 3;
      e.run.order = order;
      e.run.policy = row.name;
      e.search.epochs = 2;
      e.search.space = {{"i", Choices{std::int64_t{0}, std::int64_t{1}, std::int64_t{2}, std::int64_t{3}}}};
      const simulate::RunReport report = simulate::run(e);
      EXPECT_EQ(report.units, 4U * 6 * 2) << row.name;
      EXPECT_EQ(report.decisions, report.units);
      EXPECT_GT(report.utilisation, 0.3) << row.name;
    }
  }
}

TEST(PolicyTable, FinishesTasksWithEveryPolicyThatNeedsNoOwners) {
  for (const PolicyRow& row : policies()) {
    if (row.needs_owners) continue;
    Experiment e;
    e.data.partitions = 6;
    e.run.workers = 3;
    e.run.strategy = "task_parallel";
    e.run.policy = row.name;
    e.search.epochs = 2;
    e.search.space = {{"i", Choices{std::int64_t{0}, std::int64_t{1}, std::int64_t{2}, std::int64_t{3}}}};
    const simulate::RunReport report = simulate::run(e);
    EXPECT_EQ(report.units, 4U * 2) << row.name;
    EXPECT_GT(report.utilisation, 0.6) << row.name;
  }
}

TEST(PolicyTable, NamesTheNearestAndTheDefaults) {
  EXPECT_THAT(error_of([] { find_policy("greddy"); }), HasSubstr("did you mean \"greedy\"?"));
  EXPECT_EQ(hopping()->default_policy(Order::Fixed), "rotation");
  EXPECT_EQ(hopping()->default_policy(Order::Free), "greedy");
  EXPECT_EQ(task_parallel()->default_policy(Order::Fixed), "queue");
  EXPECT_THAT(error_of([] { make_policy(PolicyMaker([] { return nullptr; }), Itinerary{}); }), HasSubstr("got null"));
}

// Takes the smallest id, and counts.
struct Counting final : Policy {
  explicit Counting(std::atomic<int>& choices) : choices_(choices) {}
  std::optional<Choice> next(const ScheduleView& view) const override {
    for (const WorkerId worker : view.rooms) {
      const auto due = view.workers[worker.index()].due;
      if (due.empty()) continue;
      ++choices_;
      return Choice{due.front(), worker, view.models[due.front().index()].candidates.front()};
    }
    return std::nullopt;
  }
  std::atomic<int>& choices_;
};

TEST(Simulated, EqualExperimentsTakeEqualTimes) {
  Experiment e;
  e.seed = 3;
  e.data.partitions = 8;
  e.run.workers = 4;
  e.search.space = {{"i", Choices{std::int64_t{0}, std::int64_t{1}, std::int64_t{2}}}};
  const simulate::RunReport one = simulate::run(e), other = simulate::run(e);
  EXPECT_EQ(one.makespan_seconds, other.makespan_seconds);
  EXPECT_EQ(one.hops, other.hops);
  e.seed = 4;
  EXPECT_NE(simulate::run(e).makespan_seconds, one.makespan_seconds);
  EXPECT_EQ(simulate::run(e, {.most_units = 5}).units, 5U);
}

// ---- whole runs

class Doors : public OnGlyphs<320, 4> {
 protected:
  static Experiment experiment() {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.model.layers = {"flatten", "linear 8", "relu", "linear 10"};
    e.search.epochs = 2;
    e.search.space = {{"lr", Choices{0.01, 0.001}}};
    return e;
  }
  static fs::path fresh(const std::string& name) { return *folder_ / name; }
  static std::string text_of(const fs::path& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
  }
  // The run goes on with the objects of `e` only, and replays to its own bits with them.
  static void expect_own_code(const Experiment& e, const fs::path& directory, const std::string& key) {
    EXPECT_THAT(text_of(directory / "experiment.toml"), HasSubstr("\"own code\""));
    EXPECT_THAT(error_of([&] { resume(directory); }), AllOf(HasSubstr(key), HasSubstr("resume(directory")));
    EXPECT_EQ(hashes(resume(directory, {}, e).results), hashes(inspect(directory, e)));
    for (const Replayed& replayed : replay(directory, {}, {}, e)) EXPECT_TRUE(replayed.matches) << key;
  }
};

TEST_F(Doors, APolicyDoesNotChangeTheBitsOfFixedOrder) {
  const auto expected = hashes(run(experiment()).results);
  Experiment e = experiment();
  e.run.policy = "greedy";
  EXPECT_EQ(hashes(run(e).results), expected);
  std::atomic<int> choices = 0;
  e.run.policy = [&] { return std::make_unique<Counting>(choices); };
  EXPECT_EQ(hashes(run(e, {.run_directory = fresh("policy")}).results), expected);
  EXPECT_GE(choices, 2 * 4 * 2);
  expect_own_code(e, fresh("policy"), "[run] policy");
}

TEST_F(Doors, ALossAndMetricsAreTrainedWithMeasuredAndRankedBy) {
  Experiment e = experiment();
  e.model.loss = [](const Tensor& output, const Tensor& target) { return cross_entropy(output, target) * 2.0; };
  // The share of misses, by a sum of its own.
  nn::Metric misses{.name = "misses", .higher_is_better = false};
  misses.sums = [](const Tensor& output, const Tensor& target) { return sum(ne(argmax(output, -1), target)); };
  e.model.metrics = {misses, "accuracy"};
  const Results results = run(e, {.run_directory = fresh("loss")}).results;
  EXPECT_NE(hashes(results), hashes(run(experiment()).results));
  ASSERT_TRUE(results.best);
  for (const ModelResult& model : results.models) {
    ASSERT_EQ(model.own.size(), 1U);
    EXPECT_NEAR(model.own[0], 1 - *model.valid_accuracy, 1e-12);
    EXPECT_GE(model.own[0], results.model(*results.best).own[0]);
  }
  EXPECT_THAT(to_json(results), HasSubstr("\"misses\""));
  EXPECT_EQ(results.objective, Objective::own(false));
  e.run.capture = false;
  EXPECT_EQ(hashes(run(e).results), hashes(results)) << "captured or not";
  expect_own_code(e, fresh("loss"), "[model] loss");
}

// (What it says is judged in tests/nn/metric_test.cpp.)
TEST_F(Doors, AMetricOfTheTableIsMeasuredByEveryWorkerToldAndRankedBy) {
  Experiment e = experiment();
  e.run.workers = 4;
  e.model.metrics = {"accuracy", "macro_f1"};
  EXPECT_EQ(e.objective(), Objective::ValidAccuracy);
  e.model.metrics = {"macro_f1", "accuracy"};
  const fs::path directory = fresh("macro_f1");
  const Results results = run(e, {.run_directory = directory}).results;
  EXPECT_EQ(results.objective, Objective::own(true));
  ASSERT_TRUE(results.best);
  for (const ModelResult& model : results.models) {
    ASSERT_EQ(model.own.size(), 1U);
    EXPECT_GT(model.own[0], 0);
    EXPECT_LE(model.own[0], results.model(*results.best).own[0]);
  }
  EXPECT_THAT(to_json(results), HasSubstr("\"macro_f1\": "));
  EXPECT_THAT(text_of(directory / "experiment.toml"), HasSubstr("objective = \"macro_f1\""));
  const Results told = inspect(directory);
  EXPECT_EQ(told.models[1].own, results.models[1].own);
  EXPECT_THAT(leaderboard(told), HasSubstr("macro_f1=0."));
  e.run.workers = 1;
  e.run.capture = false;
  const Results alone = run(e).results;
  EXPECT_EQ(alone.models[0].own, results.models[0].own) << "any number of workers, captured or not";
}

TEST_F(Doors, TheObjectiveMayBeTheNameOfAMetric) {
  const auto parse = [](const std::string& metrics, const std::string& objective) {
    return parse_experiment("model.family = \"mlp\"\nmodel.metrics = " + metrics + "\nsearch.objective = \"" +
                                objective + "\"\ndata.source = \"glyphs\"\nsearch.space.lr = [0.1]\n",
                            "e.toml");
  };
  const Experiment e = parse("[\"accuracy\", \"macro_f1\"]", "macro_f1");
  EXPECT_EQ(e.objective(), Objective::own(true));
  EXPECT_THAT(to_toml(e), HasSubstr("objective = \"macro_f1\""));
  EXPECT_THAT(to_toml(parse("[\"accuracy\", \"macro_f1\"]", "lowest_own")), HasSubstr("\"lowest_own\""));
  EXPECT_THAT(error_of([&] { parse("[\"accuracy\"]", "macro_f1"); }),
              AllOf(HasSubstr("objective"), HasSubstr("[model] metrics does not name \"macro_f1\"")));
}

// Of an application's metrics the file knows neither the name nor the direction, only the place.
TEST_F(Doors, TheObjectiveMayBeAnyOfSeveralMetrics) {
  Experiment e = experiment();
  nn::Metric misses{.name = "misses", .higher_is_better = false};
  misses.sums = [](const Tensor& output, const Tensor& target) { return sum(ne(argmax(output, -1), target)); };
  e.model.metrics = {"accuracy", "macro_f1", misses};
  e.search.objective = Objective::own(false, 1);
  EXPECT_EQ(to_string(e.objective()), "misses");
  const fs::path directory = fresh("several");
  const Results results = run(e, {.run_directory = directory}).results;
  ASSERT_TRUE(results.best);
  for (const ModelResult& model : results.models) {
    ASSERT_EQ(model.own.size(), 2U);
    EXPECT_GE(model.own[1], results.model(*results.best).own[1]);
  }
  EXPECT_THAT(text_of(directory / "experiment.toml"), HasSubstr("objective = \"lowest_own_1\""));
  EXPECT_EQ(objective_of(directory), Objective::own(false, 1));
  EXPECT_EQ(inspect(directory).best, results.best);
  EXPECT_THAT(to_json(results), HasSubstr("\"objective\": \"misses\""));
}

TEST_F(Doors, ALossGivesAScalar) {
  Experiment e = experiment();
  e.model.loss = [](const Tensor& output, const Tensor&) { return output; };
  try {
    run(e);
    FAIL();
  } catch (const RunError& error) {
    EXPECT_THAT(error.what(), HasSubstr("[model] loss: expected a mean loss ()"));
  }
}

TEST_F(Doors, AnOptimizerIsTheApplications) {
  Experiment e = experiment();
  e.model.optimizer = [](const Config& config, const optim::ParameterList& parameters) {
    return std::make_unique<optim::SGD>(
        parameters, optim::SGDOptions{.lr = config.number("lr"), .momentum = 0.5, .nesterov = true});
  };
  Experiment named = experiment();
  for (const auto& [name, value] : {std::pair("optimizer", Value(std::string("sgd"))),
                                    std::pair("momentum", Value(0.5)), std::pair("nesterov", Value(true))}) {
    named.search.space.emplace_back(name, Choices{value});
  }
  EXPECT_EQ(hashes(run(e, {.run_directory = fresh("optimizer")}).results), hashes(run(named).results));
  expect_own_code(e, fresh("optimizer"), "[model] optimizer");
}

TEST_F(Doors, AScheduleStartsFromTheRateThatAnOptimizerWasMadeWith) {
  Experiment e = experiment();
  e.search.space.emplace_back("schedule", Choices{std::string("cosine")});
  Experiment named = e;
  named.model.optimizer = "sgd";
  named.search.space[0].second = Choices{0.02, 0.002};
  e.model.optimizer = [](const Config& config, const optim::ParameterList& parameters) {
    return std::make_unique<optim::SGD>(parameters, optim::SGDOptions{.lr = 2 * config.number("lr")});
  };
  EXPECT_EQ(hashes(run(e).results), hashes(run(named).results));
}

TEST_F(Doors, AnOptimizerMayReadHyperparametersOfItsOwn) {
  Experiment e = experiment();
  e.search.space = {{"lr", Choices{0.01}}, {"my_momentum", Choices{0.5, 0.9}}};
  e.model.optimizer = [](const Config& config, const optim::ParameterList& parameters) {
    return std::make_unique<optim::SGD>(
        parameters, optim::SGDOptions{.lr = config.number("lr"), .momentum = config.number("my_momentum")});
  };
  run(e, {.run_directory = fresh("own-name")});
  expect_own_code(e, fresh("own-name"), "[model] optimizer");
  EXPECT_NE(load_model(fresh("own-name"), ModelId(0), e), nullptr);
}

TEST_F(Doors, ANewRunRefusesAHyperparameterThatNothingChosenReads) {
  Experiment e = experiment();
  e.model.optimizer = "adam";
  e.search.space.emplace_back("momentum", Choices{0.9});
  EXPECT_THAT(error_of([&] { run(e); }), HasSubstr("momentum: sgd and rmsprop read it, and the optimizer is adam"));
}

TEST_F(Doors, ALossMayHaveSettings) {
  Experiment e = experiment();
  const auto plain = hashes(run(e).results);
  e.model.loss = "cross_entropy label_smoothing=0";
  EXPECT_EQ(hashes(run(e).results), plain);
  e.model.loss = "cross_entropy class_weights=1,1,1,1,1,1,1,1,1,9 label_smoothing=0.1";
  EXPECT_NE(hashes(run(e, {.run_directory = fresh("loss-settings")}).results), plain);
  EXPECT_EQ(load_experiment(fresh("loss-settings") / "experiment.toml").model.loss.name(), e.model.loss.name());
  e.model.loss = "cross_entropy class_weights=1,2";
  EXPECT_THAT(error_of([&] { run(e); }),
              AllOf(HasSubstr("[model] loss"), HasSubstr("a weight for each of 10 classes")));
  e.model.loss = "cross_entropy smoothing=0.1";
  EXPECT_THAT(error_of([&] { run(e); }), HasSubstr("unknown setting \"smoothing\""));
}

TEST_F(Doors, AnOptimizerMayBeAName) {
  Experiment named = experiment();
  named.search.space.emplace_back("optimizer", Choices{std::string("adam")});
  Experiment e = experiment();
  e.model.optimizer = "adam";
  EXPECT_EQ(hashes(run(e, {.run_directory = fresh("adam")}).results), hashes(run(named).results));
  EXPECT_EQ(resume(fresh("adam")).results.models.size(), 2U);
  e.model.optimizer = "adm";
  EXPECT_THAT(error_of([&] { run(e); }), AllOf(HasSubstr("[model] optimizer"), HasSubstr("did you mean \"adam\"?")));
  named.model.optimizer = "sgd";
  EXPECT_THAT(error_of([&] { run(named); }), HasSubstr("expected one place that names the optimizer"));
}

TEST_F(Doors, ASearchMayHaveSettingsAndNamesOfItsOwn) {
  Experiment e = experiment();
  e.search.settings = {{"shots", std::int64_t{2}}, {"a name", 0.5}, {"verbose", true}, {"arm", std::string("left")}};
  e.search.space.emplace_back("of the search", Choices{std::int64_t{7}});
  e.search.make = [](const SearchInput& input) {
    EXPECT_EQ(input.settings.integer("shots"), 2);
    EXPECT_EQ(input.settings.number("a name"), 0.5);
    EXPECT_EQ(input.settings.text("arm"), "left");
    Space space = input.space;
    EXPECT_EQ(space.back().first, "of the search");
    space.pop_back();
    return std::make_unique<GridSearch>(space);
  };
  run(e, {.run_directory = fresh("settings")});
  EXPECT_THAT(text_of(fresh("settings") / "experiment.toml"), HasSubstr("\"own code\""));
  const auto hashes_of_run = hashes(inspect(fresh("settings")));
  EXPECT_EQ(hashes(resume(fresh("settings"), {}, e).results), hashes_of_run);
  EXPECT_EQ(hashes(resume(fresh("settings")).results), hashes_of_run) << "the journal has the search's answers";
  e.search.settings = {{"epochs", std::int64_t{2}}};
  EXPECT_THAT(error_of([&] { run(e); }), HasSubstr("expected keys of the method, got \"epochs\""));
}

TEST_F(Doors, ASearchIsTheApplications) {
  Experiment e = experiment();
  e.search.make = [](const SearchInput& input) { return std::make_unique<GridSearch>(input.space); };
  EXPECT_EQ(hashes(run(e, {.run_directory = fresh("search")}).results), hashes(run(experiment()).results));
  EXPECT_THAT(text_of(fresh("search") / "experiment.toml"), HasSubstr("\"own code\""));
  EXPECT_EQ(hashes(inspect(fresh("search"))), hashes(inspect(fresh("search"), e))) << "the journal says it all";
  EXPECT_EQ(hashes(resume(fresh("search")).results), hashes(inspect(fresh("search"))));
  for (const Replayed& replayed : replay(fresh("search"))) EXPECT_TRUE(replayed.matches);
}

TEST_F(Doors, RowsComeFromMemory) {
  Experiment e = experiment();
  const data::RawData raw = data::glyphs({.train_rows = 320, .test_rows = 64});
  std::vector<std::uint8_t> pixels(320 * 784);
  std::vector<std::int64_t> labels;
  for (std::int64_t row = 0; row < 320; ++row) {
    const auto place = std::span(pixels).subspan(static_cast<std::size_t>(row) * 784, 784);
    labels.push_back(raw.train->read(row, std::as_writable_bytes(place)));
  }
  e.data.source.clear();
  e.data.partitions = 4;
  e.data.rows = data::tensor_source(Tensor::from<std::uint8_t>(pixels, {320, 1, 28, 28}),
                                    Tensor::from<std::int64_t>(labels, {320}), 10);
  const Results results = run(e, {.run_directory = fresh("rows")}).results;
  EXPECT_EQ(results.models.size(), 2U);
  EXPECT_EQ(hashes(resume(fresh("rows")).results), hashes(results)) << "the run has its own copy of the rows";
}

TEST_F(Doors, WorkersInProcessesCannotTakeCode) {
  Experiment e = experiment();
  e.model.loss = [](const Tensor& output, const Tensor& target) { return cross_entropy(output, target); };
  EXPECT_THAT(error_of([&] { run(e, {.hosting = Hosting::Processes, .program = "hop"}); }),
              HasSubstr("a loss that is the application's code"));
}

// ---- the tables behind the names

TEST(MethodTable, ChecksTheKeysOfAMethod) {
  EXPECT_THAT(error_of([] { check_settings(&find_method("random"), {}); }), HasSubstr("[search] samples: method"));
  EXPECT_THAT(error_of([] {
                check_settings(&find_method("grid"), {{"samples", std::int64_t{2}}});
              }),
              HasSubstr("method = \"random\" does"));
  EXPECT_THAT(error_of([] {
                check_settings(&find_method("random"), {{"samples", std::int64_t{0}}});
              }),
              HasSubstr("expected an integer in 1.."));
  EXPECT_THAT(error_of([] { find_method("gird"); }), HasSubstr("did you mean \"grid\"?"));
}

}  // namespace
}  // namespace hop::hopper
