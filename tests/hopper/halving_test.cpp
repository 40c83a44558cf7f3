// Successive halving. Brackets and decisions are judged by golden values: brackets of Li et al. (2018) in whole
// numbers, and models kept by (loss, id).
#include "hopper/search/halving.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "hopper/search/methods.h"
#include "tests/hopper/halving_golden.h"

namespace hop::hopper {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

TEST(Bracket, IsThatOfHyperband) {
  for (const GoldenBracket& golden : kGoldenBrackets) {
    const std::vector<Rung> rungs =
        bracket({.epochs = golden.epochs, .eta = golden.eta, .skip = golden.s_max - golden.s});
    std::vector<Rung> expected;
    for (const auto& [models, epochs] : golden.rungs) expected.push_back({models, epochs});
    EXPECT_EQ(rungs, expected) << "R = " << golden.epochs << ", eta = " << golden.eta << ", s = " << golden.s;
  }
}

TEST(Bracket, BeginsAtTheLeastEpochsAndWithTheModelsThatAreGiven) {
  EXPECT_THAT(bracket({.epochs = 8, .eta = 2, .min_epochs = 3, .models = 10}), ElementsAre(Rung{10, 4}, Rung{5, 8}));
  EXPECT_THAT(bracket({.epochs = 4, .eta = 3, .models = 7}), ElementsAre(Rung{7, 1}, Rung{2, 4}));
  EXPECT_THAT([] { bracket({.epochs = 8, .eta = 2, .skip = 4}); },
              ThrowsMessage<ConfigError>(HasSubstr("early_stopping_rate: expected at most 3")));
  EXPECT_THAT([] { bracket({.epochs = 2, .min_epochs = 3}); }, ThrowsMessage<ConfigError>(HasSubstr("min_epochs = 3")));
}

EpochMetrics loss(double value) {
  EpochMetrics metrics;
  metrics.valid_loss = value;
  return metrics;
}

const Space kSpace{{"lr", Range{0.001, 0.1, Scale::Log}}};

// The search of a bracket, and the models that it asked for.
struct Halving {
  explicit Halving(std::uint32_t epochs, Config settings = {}) {
    search = find_method("halving").make({kSpace, epochs, Objective::ValidLoss, 1, settings});
    while (const auto proposal = search->ask()) search->asked(ModelId{models++}, *proposal);
  }
  // One epoch of these models; the models that are stopped.
  std::vector<std::uint32_t> tick(Epoch epoch, const std::map<std::uint32_t, double>& losses) {
    for (const auto& [model, value] : losses) search->tell(ModelId{model}, epoch, loss(value));
    orders = search->end_of_tick();
    std::vector<std::uint32_t> stopped;
    for (const SearchOrder& order : orders) stopped.push_back(order.model.value);
    std::sort(stopped.begin(), stopped.end());
    return stopped;
  }

  std::unique_ptr<Search> search;
  std::uint32_t models = 0;
  std::vector<SearchOrder> orders;
};

TEST(Halving, KeepsTheModelsOfTheGoldenSteps) {
  for (const GoldenHalving& golden : kGoldenHalving) {
    Halving run(golden.epochs, {{"eta", std::int64_t{golden.eta}}});
    ASSERT_EQ(run.models, golden.steps[0].losses.size());
    for (Epoch epoch{0}; epoch.value < golden.epochs; ++epoch) {
      const auto step = std::find_if(golden.steps.begin(), golden.steps.end(),
                                     [&](const GoldenStep& s) { return s.epochs == number_of(epoch); });
      const bool is_rung = step != golden.steps.end() && number_of(epoch) < golden.epochs;
      EXPECT_EQ(run.search->barrier_at(epoch), is_rung);
      if (step == golden.steps.end()) continue;
      std::vector<std::uint32_t> expected;
      for (const auto& [model, value] : step->losses) {
        const bool kept = std::find(step->kept.begin(), step->kept.end(), model) != step->kept.end();
        if (!kept) expected.push_back(model);
      }
      EXPECT_EQ(run.tick(epoch, step->losses), expected) << "epoch " << number_of(epoch);
    }
  }
}

TEST(Halving, SaysWhyAModelStops) {
  Halving run(3, {{"samples", std::int64_t{3}}});
  run.tick(Epoch{0}, {{0, 0.5}, {1, 0.25}, {2, 0.5}});
  ASSERT_EQ(run.orders.size(), 2U);
  EXPECT_EQ(run.orders[0], SearchOrder::stop(ModelId{0}, "rank 2 of 3 at epoch 1, 1 goes on"));
  EXPECT_EQ(run.orders[1].model, ModelId{2}) << "equal losses: the smaller id is better";
}

TEST(Halving, AModelThatLeavesMakesTheRungSmallerNotTheNumberThatGoesOn) {
  Halving run(9, {{"samples", std::int64_t{9}}});
  run.search->withdrawn(ModelId{0}, Withdrawal::Diverged);
  run.search->withdrawn(ModelId{1}, Withdrawal::Quarantined);
  EXPECT_THAT(run.tick(Epoch{0}, {{2, 7}, {3, 6}, {4, 5}, {5, 4}, {6, 3}, {7, 2}, {8, 1}}), ElementsAre(2, 3, 4, 5));
  run.search->tell(ModelId{0}, Epoch{0}, loss(0.1));  // a person brought it back: it is no member any more
  EXPECT_THAT(run.search->end_of_tick(), IsEmpty());
  run.search->withdrawn(ModelId{6}, Withdrawal::Stopped);
  run.search->withdrawn(ModelId{7}, Withdrawal::Stopped);
  EXPECT_THAT(run.tick(Epoch{2}, {{8, 1}}), IsEmpty());
}

TEST(Halving, AMissingMetricIsTheWorst) {
  Halving run(3, {{"samples", std::int64_t{3}}});
  run.search->tell(ModelId{0}, Epoch{0}, {});
  EXPECT_THAT(run.tick(Epoch{0}, {{1, 9}, {2, 8}}), ElementsAre(0, 1));
}

}  // namespace
}  // namespace hop::hopper
