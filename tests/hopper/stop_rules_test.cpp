// Early stopping. The rules are judged by golden values: the steps at which another library's pruners stop 14 curves,
// shown one after the other.
#include "hopper/search/stop_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "hopper/search/grid.h"
#include "hopper/search/methods.h"

namespace hop::hopper {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr int kNever = -1;

// clang-format off
// Losses, by curve and step.
const std::vector<std::vector<double>> kCurves = {
    {2.6178, 1.9583, 1.426, 1.4196, 1.2353, 1.1819, 1.4021, 1.074},
    {2.8923, 2.3108, 1.7967, 1.7009, 1.6246, 1.539, 1.286, 1.4341},
    {2.9795, 1.5461, 1.5739, 1.2961, 1.0818, 1.4112, 1.1777, 0.8477},
    {2.2364, 1.4336, 0.9968, 0.9569, 0.7376, 0.774, 0.8355, 0.4768},
    {2.3306, 1.4637, 1.2485, 0.8823, 0.8639, 0.8436, 0.9495, 0.9407},
    {2.675, 1.7605, 1.6438, 1.0808, 1.2098, 1.1976, 1.3528, 1.2316},
    {1.9562, 1.4951, 1.2964, 1.4275, 1.0397, 0.9862, 1.0274, 0.9094},
    {2.7916, 2.2472, 2.2141, 2.0237, 2.1755, 2.0301, 1.8737, 1.9323},
    {2.7461, 2.1946, 1.7334, 1.653, 1.2622, 1.4299, 1.0661, 0.9681},
    {2.4223, 2.0321, 2.0372, 2.2483, 1.713, 1.6867, 1.7644, 1.7684},
    {2.2766, 1.9791, 1.9643, 1.8379, 1.5325, 1.6191, 1.5903, 1.3883},
    {2.3174, 1.4584, 1.4453, 1.1636, 1.0388, 0.8579, 0.8686, 0.5391},
    {2.0852, 1.6538, 1.0013, 1.2857, 0.7883, 1.0848, 0.7839, 0.9793},
    {2.4647, 1.2616, 1.3495, 1.2094, 0.8802, 0.7793, 0.7461, 0.5857},
};
// clang-format on

struct Golden {
  std::string rule;
  Config settings;
  std::size_t warmup, every;
  std::vector<int> stops;  // by curve: the step
};

const std::vector<Golden> kGolden = {
    {"median",
     {{"min_models", std::int64_t{5}}},
     0,
     1,
     {kNever, kNever, kNever, kNever, kNever, 0, 3, 0, 0, 1, 1, 2, 1, kNever}},
    {"median",
     {{"min_models", std::int64_t{3}}},
     2,
     2,
     {kNever, kNever, kNever, kNever, kNever, 2, kNever, 2, 2, 2, 2, 2, kNever, kNever}},
    {"median",
     {{"min_models", std::int64_t{4}}, {"percentile", 25.0}},
     0,
     1,
     {kNever, kNever, kNever, kNever, 7, 0, 3, 0, 0, 1, 1, 2, 1, kNever}},
    {"patience",
     {{"patience", std::int64_t{2}}, {"min_delta", 0.05}},
     0,
     1,
     {kNever, kNever, kNever, kNever, kNever, 6, kNever, kNever, kNever, kNever, kNever, kNever, kNever, kNever}},
    {"threshold",
     {{"upper", 2.2}},
     2,
     1,
     {kNever, kNever, kNever, kNever, kNever, kNever, kNever, 2, kNever, 3, kNever, kNever, kNever, kNever}},
};

// The step at which the rule stops the curve, or kNever. The curve is compared with complete curves only.
int stop_of(const StopRule& rule, const Golden& golden, std::span<const double> scores,
            const std::vector<std::vector<double>>& complete) {
  for (std::size_t step = golden.warmup; step < scores.size(); step += golden.every) {
    std::vector<double> others;
    for (const std::vector<double>& other : complete) others.push_back(other[step]);
    if (rule.verdict({scores.first(step + 1), others})) return static_cast<int>(step);
  }
  return kNever;
}

TEST(StopRules, StopTheGoldenCurvesWhereTheyMust) {
  for (const Golden& golden : kGolden) {
    const auto rule = find_stop_rule(golden.rule).make(golden.settings, Objective::ValidLoss);
    std::vector<std::vector<double>> complete;
    std::vector<int> stops;
    for (const std::vector<double>& losses : kCurves) {
      std::vector<double> scores;
      for (const double loss : losses) scores.push_back(-loss);
      stops.push_back(stop_of(*rule, golden, scores, complete));
      if (stops.back() == kNever) complete.push_back(scores);
    }
    EXPECT_EQ(stops, golden.stops) << golden.rule << " " << golden.settings.to_text();
  }
}

TEST(StopRules, APercentileLiesBetweenItsNeighbours) {
  EXPECT_EQ(percentile({3}, 50), 3);
  EXPECT_EQ(percentile({4, 1, 2}, 50), 2);
  EXPECT_EQ(percentile({1, 2, 3, 4}, 50), 2.5);
  EXPECT_EQ(percentile({1, 2, 3, 4}, 0), 1);
  EXPECT_EQ(percentile({1, 2, 3, 4}, 100), 4);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(percentile({-kInfinity, 4}, 50), -kInfinity);
}

// ---- beside a search

EpochMetrics loss(double value) {
  EpochMetrics metrics;
  metrics.valid_loss = value;
  return metrics;
}

struct Beside : testing::Test {
  // A grid of n models of four epochs.
  void begin(std::uint32_t models, std::vector<std::string> rules, Config settings) {
    Choices index;
    for (std::uint32_t i = 0; i < models; ++i) index.emplace_back(std::int64_t{i});
    search = stop_early(std::make_unique<GridSearch>(Space{{"index", index}}), rules, settings, Objective::ValidLoss);
    std::uint32_t id = 0;
    while (auto proposal = search->ask()) {
      proposal->epochs = 4;
      search->asked(ModelId{id++}, *proposal);
    }
  }
  std::vector<std::uint32_t> tick(Epoch epoch, const std::vector<std::pair<std::uint32_t, double>>& losses) {
    for (const auto& [model, value] : losses) search->tell(ModelId{model}, epoch, loss(value));
    std::vector<std::uint32_t> stopped;
    for (const SearchOrder& order : search->end_of_tick()) {
      EXPECT_EQ(order.kind, SearchOrder::Kind::Stop);
      stopped.push_back(order.model.value);
    }
    return stopped;
  }
  std::unique_ptr<Search> search;
};

TEST_F(Beside, ModelsWaitWhereTheRulesLook) {
  begin(1, {"threshold"}, {{"upper", 1.0}, {"warmup", std::int64_t{1}}, {"every", std::int64_t{2}}});
  EXPECT_FALSE(search->barrier_at(Epoch{0}));
  EXPECT_TRUE(search->barrier_at(Epoch{1}));
  EXPECT_FALSE(search->barrier_at(Epoch{2}));
  EXPECT_TRUE(search->barrier_at(Epoch{3}));
  EXPECT_THAT(tick(Epoch{0}, {{0, 9}}), ElementsAre());
  EXPECT_THAT(tick(Epoch{1}, {{0, 9}}), ElementsAre(0));
}

TEST_F(Beside, AModelThatHasEndedIsNotStopped) {
  begin(1, {"threshold"}, {{"upper", 1.0}, {"warmup", std::int64_t{3}}});
  EXPECT_THAT(tick(Epoch{3}, {{0, 9}}), ElementsAre());
}

TEST_F(Beside, TheMedianIsThatOfAllModelsOfTheEpoch) {
  begin(5, {"median"}, {{"min_models", std::int64_t{5}}});
  EXPECT_THAT(tick(Epoch{0}, {{0, 5}, {1, 4}, {2, 3}, {3, 2}, {4, 1}}), ElementsAre(0, 1));
  EXPECT_THAT(tick(Epoch{1}, {{2, 9}, {3, 9}, {4, 9}}), ElementsAre()) << "three models say nothing";
}

TEST_F(Beside, AMissingMetricIsOutsideEveryThreshold) {
  begin(1, {"threshold"}, {{"upper", 1.0}});
  search->tell(ModelId{0}, Epoch{0}, {});
  EXPECT_EQ(search->end_of_tick(), std::vector{SearchOrder::stop(ModelId{0}, "no value of valid_loss")});
}

// It does not listen to withdrawn(), and orders models that a rule may have stopped.
struct DeafSearch final : Search {
  std::optional<Proposal> ask() override { return std::nullopt; }
  std::vector<SearchOrder> end_of_tick() override {
    return {SearchOrder::pause(ModelId{0}, "it rests"), SearchOrder::set_epochs(ModelId{1}, 2, "shorter")};
  }
};

TEST_F(Beside, TheOrderOfARuleStandsBeforeThatOfASearchForTheSameModel) {
  search = stop_early(std::make_unique<DeafSearch>(), std::vector<std::string>{"threshold"}, {{"upper", 1.0}},
                      Objective::ValidLoss);
  for (std::uint32_t model = 0; model < 2; ++model) search->asked(ModelId{model}, {.epochs = 4});
  search->tell(ModelId{0}, Epoch{0}, loss(9));
  search->tell(ModelId{1}, Epoch{0}, loss(0.5));
  EXPECT_THAT(search->end_of_tick(), ElementsAre(SearchOrder::stop(ModelId{0}, "valid_loss = 9 is above 1"),
                                                 SearchOrder::set_epochs(ModelId{1}, 2, "shorter")));
}

TEST(StopRules, AreCheckedAsTheKeysOfAMethodAre) {
  const auto check = [](const std::vector<std::string>& stop, const Config& settings) {
    check_settings(&find_method("grid"), settings, stop);
  };
  check({"patience"}, {{"patience", std::int64_t{2}}, {"warmup", std::int64_t{1}}});
  EXPECT_THAT(
      [&] {
        check({}, {{"patience", std::int64_t{2}}});
      },
      ThrowsMessage<ConfigError>(HasSubstr("stop = [\"patience\"] does")));
  EXPECT_THAT(
      [&] {
        check({"median"}, {{"percentile", 101.0}});
      },
      ThrowsMessage<ConfigError>(HasSubstr("expected a number in 0..100, got 101")));
  EXPECT_THAT([&] { check({"patients"}, {}); }, ThrowsMessage<ConfigError>(HasSubstr("did you mean \"patience\"?")));
  EXPECT_THAT([] { find_stop_rule("threshold").make({}, Objective::ValidLoss); },
              ThrowsMessage<ConfigError>(HasSubstr("lower or upper")));
}

}  // namespace
}  // namespace hop::hopper
