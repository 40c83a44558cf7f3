// Hyperband. The numbers of models at each epoch are judged by the golden brackets of Li et al. (2018) in whole
// numbers.
#include "hopper/search/hyperband.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "base/error.h"
#include "hopper/search/methods.h"
#include "tests/hopper/halving_golden.h"

namespace hop::hopper {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::ThrowsMessage;

const Space kSpace{{"lr", Range{0.001, 0.1, Scale::Log}}};

std::unique_ptr<Search> hyperband(std::uint32_t epochs, const Config& settings) {
  return find_method("hyperband").make({kSpace, epochs, Objective::ValidLoss, 1, settings});
}

EpochMetrics loss(double value) {
  EpochMetrics metrics;
  metrics.valid_loss = value;
  return metrics;
}

// The models that a search asks for.
std::vector<Proposal> ask_all(Search& search) {
  std::vector<Proposal> proposals;
  while (const auto proposal = search.ask()) {
    search.asked(ModelId{static_cast<std::uint32_t>(proposals.size())}, *proposal);
    proposals.push_back(*proposal);
  }
  return proposals;
}

// How many models train each epoch. Of two models the later one is better.
std::vector<std::size_t> models_per_epoch(std::uint32_t epochs, std::uint32_t eta) {
  const auto search = hyperband(epochs, {{"eta", std::int64_t{eta}}});
  const std::size_t models = ask_all(*search).size();
  std::set<ModelId> alive;
  for (std::uint32_t i = 0; i < models; ++i) alive.insert(ModelId{i});
  std::vector<std::size_t> counts;
  for (Epoch epoch{0}; epoch.value < epochs; ++epoch) {
    counts.push_back(alive.size());
    for (const ModelId id : alive) search->tell(id, epoch, loss(1.0 / (1 + id.value)));
    for (const SearchOrder& order : search->end_of_tick()) {
      EXPECT_TRUE(search->barrier_at(epoch)) << number_of(epoch);
      EXPECT_EQ(order.kind, SearchOrder::Kind::Stop);
      EXPECT_EQ(alive.erase(order.model), 1U) << "model " << order.model.value << " is alive";
    }
  }
  return counts;
}

TEST(Hyperband, TrainsTheModelsOfTheGoldenBrackets) {
  for (const auto& [epochs, eta] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{{9, 3}, {16, 2}, {81, 3}}) {
    std::vector<std::size_t> expected(epochs, 0);
    for (const GoldenBracket& golden : kGoldenBrackets) {
      if (golden.epochs != epochs || golden.eta != eta) continue;
      std::uint32_t done = 0;
      for (const auto& [models, until] : golden.rungs) {
        for (; done < until; ++done) expected[done] += models;
      }
    }
    EXPECT_EQ(models_per_epoch(epochs, eta), expected) << "R = " << epochs << ", eta = " << eta;
  }
  const std::vector<std::size_t> paper = models_per_epoch(81, 3);
  EXPECT_EQ(paper.front(), 143U);
  EXPECT_EQ(std::accumulate(paper.begin(), paper.end(), std::size_t{0}), 1581U);
}

TEST(Hyperband, DrawsConfigurationsOfItsOwnForEachBracket) {
  std::set<double> rates;
  const std::vector<Proposal> proposals = ask_all(*hyperband(9, {}));
  for (const Proposal& proposal : proposals) rates.insert(proposal.config.number("lr"));
  EXPECT_THAT(proposals, SizeIs(17));
  EXPECT_THAT(rates, SizeIs(17));
  EXPECT_EQ(ask_all(*hyperband(9, {})), proposals) << "equal inputs, equal answers";
}

// R = 3: models 0, 1, 2 train one epoch, of which one goes on; models 3 and 4 train three epochs.
TEST(Hyperband, JudgesAModelAmongItsOwnBracketOnly) {
  const auto search = hyperband(3, {});
  ASSERT_THAT(ask_all(*search), SizeIs(5));
  search->withdrawn(ModelId{1}, Withdrawal::Diverged);
  for (const std::uint32_t id : {0U, 2U, 3U, 4U}) search->tell(ModelId{id}, Epoch{0}, loss(10 - id));
  const std::vector<SearchOrder> orders = search->end_of_tick();
  ASSERT_THAT(orders, SizeIs(1));
  EXPECT_EQ(orders[0], SearchOrder::stop(ModelId{0}, "rank 2 of 2 at epoch 1, 1 goes on"));
  search->tell(ModelId{9}, Epoch{1}, loss(0));  // a clone that a person made: no member of a bracket
  EXPECT_THAT(search->end_of_tick(), IsEmpty());
}

TEST(Hyperband, BeginsAtTheLeastEpochsAndReadsNoOtherKey) {
  EXPECT_THAT(ask_all(*hyperband(9, {{"min_epochs", std::int64_t{3}}})), SizeIs(3 + 2));
  EXPECT_THAT(
      [] {
        hyperband(2, {{"min_epochs", std::int64_t{3}}});
      },
      ThrowsMessage<ConfigError>(HasSubstr("min_epochs = 3")));
  EXPECT_THAT(
      [] {
        check_settings(&find_method("hyperband"), {{"samples", std::int64_t{3}}});
      },
      ThrowsMessage<ConfigError>(HasSubstr("does not read this key")));
}

}  // namespace
}  // namespace hop::hopper
