#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "base/error.h"
#include "hopper/search/grid.h"
#include "hopper/search/objective.h"
#include "hopper/search/random.h"

namespace hop::hopper {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::vector<Config> all(Search& search) {
  std::vector<Config> configs;
  while (auto proposal = search.ask()) configs.push_back(proposal->config);
  return configs;
}

std::vector<double> column(const std::vector<Config>& configs, const std::string& name) {
  std::vector<double> values;
  for (const Config& config : configs) values.push_back(config.number(name));
  return values;
}

Choices numbers(std::initializer_list<double> values) { return {values.begin(), values.end()}; }

TEST(GridSearch, CountsThroughAllCombinationsTheLastNameFastest) {
  GridSearch search(
      {{"lr", numbers({0.1, 0.2})}, {"width", Choices{std::int64_t{8}, std::int64_t{16}, std::int64_t{32}}}});
  std::vector<std::string> texts;
  for (const Config& config : all(search)) texts.push_back(config.to_text());
  EXPECT_THAT(texts, ElementsAre("lr=0.1 width=8", "lr=0.1 width=16", "lr=0.1 width=32", "lr=0.2 width=8",
                                 "lr=0.2 width=16", "lr=0.2 width=32"));
  EXPECT_EQ(search.size(), 6U);
  EXPECT_FALSE(search.ask());
}

TEST(Space, DropsValuesThatStandInAListBefore) {
  Space space = {{"lr", numbers({0.1, 0.2, 0.1, 0.1})},
                 {"width", Choices{std::int64_t{8}, 8.0, std::int64_t{16}}},
                 {"optimizer", Choices{std::string("adam"), std::string("sgd"), std::string("adam")}},
                 {"nesterov", Choices{true, false}},
                 {"dropout", Range{0, 1}}};
  EXPECT_EQ(combinations(space), 4U * 3 * 3 * 2);
  EXPECT_THAT(drop_repeats(space), ElementsAre(HasSubstr("lr: 0.1 comes again"), HasSubstr("width: 8.0 comes again"),
                                               HasSubstr("optimizer: \"adam\" comes again")));
  EXPECT_EQ(combinations(space), 2U * 2 * 2 * 2);
  EXPECT_EQ(std::get<Choices>(space[1].second), (Choices{std::int64_t{8}, std::int64_t{16}}));
  EXPECT_THAT(drop_repeats(space), testing::IsEmpty());
}

TEST(Space, CountsCombinationsWithoutMakingThem) {
  const Choices thousand(1000, Value(1.0));
  EXPECT_EQ(combinations({}), 1U);
  EXPECT_EQ(combinations({{"a", thousand}, {"b", thousand}, {"c", thousand}}), 1'000'000'000U);
  const Space many(30, {"a", thousand});
  EXPECT_EQ(combinations(many), std::uint64_t{1} << 63) << "more than a number holds";
}

TEST(GridSearch, OfNothingIsOneEmptyConfiguration) {
  GridSearch search({});
  EXPECT_EQ(all(search), std::vector<Config>{Config{}});
}

TEST(GridSearch, RefusesARange) {
  EXPECT_THAT([] { GridSearch({{"lr", Range{0.1, 1}}}); }, ThrowsMessage<ConfigError>(HasSubstr("`lr`")));
}

TEST(GridSearch, RefusesMoreCombinationsThanThereAreIds) {
  const Choices thousand(1000, Value(1.0));
  EXPECT_THROW(GridSearch({{"a", thousand}, {"b", thousand}, {"c", thousand}, {"d", thousand}}), ConfigError);
}

const Space kSpace{{"lr", Range{1e-4, 1e-1, Scale::Log, NumberType::Float}},
                   {"momentum", Range{0, 0.99}},
                   {"width", Range{1, 8, Scale::Linear, NumberType::Int}},
                   {"batch", Range{1, 1024, Scale::Log, NumberType::Int}},
                   {"decay", numbers({0, 1, 2, 3})}};

TEST(RandomSearch, StaysWithinItsBounds) {
  RandomSearch search(kSpace, 5000, 7);
  for (const Config& config : all(search)) {
    EXPECT_GE(config.number("lr"), 1e-4);
    EXPECT_LE(config.number("lr"), 1e-1);
    EXPECT_GE(config.integer("width"), 1);
    EXPECT_LE(config.integer("width"), 8);
    EXPECT_GE(config.integer("batch"), 1);
    EXPECT_LE(config.integer("batch"), 1024);
  }
}

TEST(RandomSearch, DrawsEachHyperparameterIndependentlyOfTheOthers) {
  RandomSearch search(kSpace, 4000, 2026);
  const std::vector<Config> configs = all(search);
  const auto correlation = [&](const std::string& a, const std::string& b) {
    std::vector<double> x = column(configs, a), y = column(configs, b);
    if (a == "lr" || a == "batch") std::transform(x.begin(), x.end(), x.begin(), [](double v) { return std::log(v); });
    if (b == "lr" || b == "batch") std::transform(y.begin(), y.end(), y.begin(), [](double v) { return std::log(v); });
    const auto n = static_cast<double>(x.size());
    double sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      sx += x[i];
      sy += y[i];
      sxx += x[i] * x[i];
      syy += y[i] * y[i];
      sxy += x[i] * y[i];
    }
    return (sxy - sx * sy / n) / std::sqrt((sxx - sx * sx / n) * (syy - sy * sy / n));
  };
  for (std::size_t i = 0; i < kSpace.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {  // 4 / sqrt(n): four standard deviations
      EXPECT_LT(std::abs(correlation(kSpace[i].first, kSpace[j].first)), 0.063) << kSpace[i].first << kSpace[j].first;
    }
  }
}

// 20 bins of a variable that should be uniform in [0, 1); chi-squared with 19 degrees of freedom exceeds 43.8 once in
// 1,000.
double chi_squared(const std::vector<double>& uniform) {
  std::vector<double> bins(20, 0);
  for (const double u : uniform) ++bins[std::min<std::size_t>(static_cast<std::size_t>(u * 20), 19)];
  const double expected = static_cast<double>(uniform.size()) / 20;
  double sum = 0;
  for (const double count : bins) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

TEST(RandomSearch, IsUniformOnTheScaleThatWasAskedFor) {
  RandomSearch search(kSpace, 10000, 3);
  const std::vector<Config> configs = all(search);
  std::vector<double> lr = column(configs, "lr"), momentum = column(configs, "momentum");
  for (double& v : lr) v = std::log(v / 1e-4) / std::log(1e3);
  for (double& v : momentum) v /= 0.99;
  EXPECT_LT(chi_squared(lr), 43.8);
  EXPECT_LT(chi_squared(momentum), 43.8);
}

TEST(RandomSearch, GivesEveryIntegerAndEveryChoiceItsShareBothEndsIncluded) {
  RandomSearch search(kSpace, 8000, 5);
  std::map<double, int> widths, decays;
  for (const Config& config : all(search)) {
    ++widths[config.number("width")];
    ++decays[config.number("decay")];
  }
  ASSERT_EQ(widths.size(), 8U);
  for (const auto& [width, count] : widths) EXPECT_NEAR(count, 1000, 150) << width;
  ASSERT_EQ(decays.size(), 4U);
  for (const auto& [decay, count] : decays) EXPECT_NEAR(count, 2000, 200) << decay;
}

TEST(RandomSearch, IsAFunctionOfItsSeed) {
  RandomSearch a(kSpace, 50, 1), b(kSpace, 50, 1), c(kSpace, 50, 2);
  const auto first = all(a);
  EXPECT_EQ(first, all(b));
  EXPECT_NE(first, all(c));
  EXPECT_EQ(std::set<std::string>({first[0].to_text(), first[1].to_text(), first[2].to_text()}).size(), 3U);
}

TEST(RandomSearch, LeavesAHyperparameterAloneWhenOthersComeAndGo) {
  RandomSearch a(kSpace, 50, 1), b({kSpace[3], kSpace[0]}, 50, 1);
  EXPECT_EQ(column(all(a), "lr"), column(all(b), "lr"));
}

TEST(RandomSearch, WritesShortNumbers) {
  RandomSearch search({{"lr", Range{1e-4, 1e-1, Scale::Log}}}, 100, 1);
  for (const Config& config : all(search)) EXPECT_LE(to_text(config.number("lr")).size(), 12U) << config.to_text();
}

TEST(Space, RefusesWhatCannotBeSearched) {
  const auto refuses = [](Space space, const std::string& message) {
    EXPECT_THAT([&] { check_space(space); }, ThrowsMessage<ConfigError>(AllOf(HasSubstr(message), HasSubstr("`x`"))));
  };
  refuses({{"x", Choices{}}}, "empty list");
  refuses({{"x", Range{2, 1}}}, "min <= max");
  refuses({{"x", Range{0, 1, Scale::Log}}}, "min > 0");
  refuses({{"x", Range{-1, 1, Scale::Log}}}, "min > 0");
  refuses({{"x", Range{0, std::numeric_limits<double>::infinity()}}}, "finite");
  refuses({{"x", Range{0.5, 3, Scale::Linear, NumberType::Int}}}, "whole");
  refuses({{"x", Range{0, 1e17, Scale::Linear, NumberType::Int}}}, "2^53");
  refuses({{"x", numbers({1})}, {"x", numbers({2})}}, "once");
  refuses({{"x", Range{-1e308, 1e308}}}, "max - min of at most");
  refuses({{"x", Range{1e-200, 1e200, Scale::Log}}}, "max / min of at most");
  EXPECT_THROW(RandomSearch({}, 0, 1), ConfigError);
}

TEST(Space, AcceptsARangeOfOneValue) {
  RandomSearch search({{"x", Range{3, 3, Scale::Log, NumberType::Int}}, {"y", Range{0.3, 0.3}}}, 1, 1);
  EXPECT_EQ(search.ask()->config.to_text(), "x=3 y=0.3");
}

TEST(Objective, MaximisesAccuracyAndMinimisesLosses) {
  EpochMetrics metrics;
  metrics.train_loss = 2;
  metrics.valid_loss = 3;
  metrics.valid_accuracy = 0.75;
  EXPECT_EQ(score(Objective::TrainLoss, metrics), -2);
  EXPECT_EQ(score(Objective::ValidLoss, metrics), -3);
  EXPECT_EQ(score(Objective::ValidAccuracy, metrics), 0.75);
}

TEST(Objective, HasNoScoreForWhatWasNotMeasuredOrIsNotFinite) {
  EpochMetrics metrics;
  EXPECT_FALSE(score(Objective::ValidAccuracy, metrics));
  metrics.valid_loss = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(score(Objective::ValidLoss, metrics));
}

TEST(Objective, ReadsTheWordsForMetricsOfTheApplicationThatItWrites) {
  for (const Objective& objective : {Objective::own(true), Objective::own(false), Objective::own(false, 12)}) {
    EXPECT_EQ(parse_objective(to_string(objective)), objective) << to_string(objective);
  }
  EXPECT_FALSE(Objective::own(true) == Objective::own(false));
  EXPECT_FALSE(Objective::own(true, 1) == Objective::own(true, 2));
  EpochMetrics metrics;
  metrics.own = {1, 2};
  EXPECT_EQ(score(Objective::own(true, 1), metrics), 2);
  EXPECT_EQ(score(Objective::own(false, 1), metrics), -2);
  EXPECT_FALSE(score(Objective::own(true, 2), metrics));
  for (const char* wrong :
       {"highest_own_", "lowest_own_x", "highest_own1", "lowest_own_-1", "highest_own_99999999999999999999"}) {
    EXPECT_THROW(parse_objective(wrong), ConfigError) << wrong;
  }
}

TEST(Objective, NamesTheNearestMetric) {
  EXPECT_EQ(parse_objective("valid_loss"), Objective::ValidLoss);
  EXPECT_THAT([] { parse_objective("accuracy"); },
              ThrowsMessage<ConfigError>(HasSubstr("did you mean \"valid_accuracy\"?")));
}

}  // namespace
}  // namespace hop::hopper
