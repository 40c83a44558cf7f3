#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

#include "base/error.h"
#include "hopper/schedule/board.h"
#include "hopper/schedule/fixed.h"
#include "hopper/schedule/greedy.h"

namespace hop::hopper {
namespace {

using testing::ElementsAre;
using testing::Optional;

std::vector<std::uint32_t> van_der_corput(std::uint32_t n) {
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < n; ++i) order.push_back(van_der_corput_place(i, n));
  return order;
}

TEST(VanDerCorput, IsSpreadEvenlyFromTheBeginning) {
  EXPECT_THAT(van_der_corput(1), ElementsAre(0));
  EXPECT_THAT(van_der_corput(8), ElementsAre(0, 4, 2, 6, 1, 5, 3, 7));
  EXPECT_THAT(van_der_corput(6), ElementsAre(0, 4, 2, 1, 5, 3));
}

TEST(VanDerCorput, IsTheOrderOfTheReversedBits) {
  const auto reversed = [](std::uint32_t number) {
    std::uint32_t bits = 0;
    for (int b = 0; b < 32; ++b) bits |= (number >> b & 1U) << (31 - b);
    return bits;
  };
  for (std::uint32_t n = 1; n <= 130; ++n) {
    std::vector<std::uint32_t> expected(n);
    std::iota(expected.begin(), expected.end(), 0U);
    std::ranges::sort(expected, {}, reversed);
    EXPECT_EQ(van_der_corput(n), expected) << n;
  }
}

TEST(Itinerary, SharesThePartitionsOutInBlocks) {
  for (std::uint32_t p = 1; p <= 17; ++p) {
    for (std::uint32_t w = 1; w <= p; ++w) {
      const Itinerary itinerary{p, w, 1, Order::Fixed};
      std::vector<std::uint32_t> owned(w, 0);
      std::uint32_t last = 0;
      for (std::uint32_t q = 0; q < p; ++q) {
        const std::uint32_t owner = itinerary.owner(PartitionId{q}).value;
        ASSERT_LT(owner, w);
        EXPECT_GE(owner, last);
        last = owner;
        ++owned[owner];
      }
      for (const std::uint32_t count : owned) EXPECT_TRUE(count == p / w || count == p / w + 1) << p << " on " << w;
    }
  }
}

TEST(Itinerary, SendsEveryModelThroughEveryPartitionInEveryEpochTheSameWay) {
  const Itinerary itinerary{6, 4, 2, Order::Fixed};
  for (std::uint32_t model = 0; model < 13; ++model) {
    std::set<std::uint32_t> seen;
    for (Unit unit{0}; unit < Unit{6}; ++unit) {
      seen.insert(itinerary.partition(ModelId{model}, unit).value);
      EXPECT_EQ(itinerary.partition(ModelId{model}, unit), itinerary.partition(ModelId{model}, unit + 6));
    }
    EXPECT_EQ(seen.size(), 6U) << model;
  }
  EXPECT_EQ(itinerary.partition(ModelId{1}, Unit{0}).value, 4U);
  EXPECT_EQ(itinerary.partition(ModelId{7}, Unit{3}).value, 1U);  // starts at 4 as model 1 does, and goes round
}

TEST(Itinerary, KnowsTheBordersOfEpochs) {
  const Itinerary itinerary{3, 1, 2, Order::Fixed};
  EXPECT_EQ(itinerary.epoch(Unit{2}), Epoch{0});
  EXPECT_EQ(itinerary.epoch(Unit{3}), Epoch{1});
  EXPECT_EQ(itinerary.first_unit(Epoch{1}), Unit{3});
  EXPECT_TRUE(itinerary.ends_epoch(Unit{2}) && itinerary.ends_epoch(Unit{5}));
  EXPECT_FALSE(itinerary.ends_epoch(Unit{3}));
  EXPECT_EQ(itinerary.end_of(Epoch{0}), Version{3});
  EXPECT_EQ(itinerary.end_of(Epoch{1}), Version{6});
  EXPECT_TRUE(itinerary.is_between_epochs(Version{0}) && itinerary.is_between_epochs(Version{3}));
  EXPECT_FALSE(itinerary.is_between_epochs(Version{4}));
}

TEST(Itinerary, RefusesWorkersWithoutPartitions) {
  EXPECT_THROW((Itinerary{4, 5, 1, Order::Fixed}.check()), ConfigError);
  EXPECT_THROW((Itinerary{4, 0, 1, Order::Fixed}.check()), ConfigError);
  EXPECT_THROW((Itinerary{0, 0, 1, Order::Fixed}.check()), ConfigError);
  EXPECT_THROW((Itinerary{4, 4, 0, Order::Fixed}.check()), ConfigError);
}

// A view of four partitions on four workers, which the tests fill in.
class Policies : public testing::Test {
 protected:
  Policies() {
    for (std::uint32_t w = 0; w < 4; ++w) workers_.push_back({WorkerId{w}, true, 0});
  }

  ModelView& model(std::uint32_t units_left, std::vector<std::uint32_t> candidates) {
    auto& ids = *candidates_.emplace_back(std::make_unique<std::vector<PartitionId>>());
    for (const std::uint32_t q : candidates) ids.emplace_back(q);
    ModelView view;
    view.id = ModelId{static_cast<std::uint32_t>(models_.size())};
    view.ready = true;
    view.units_left = units_left;
    view.next_unit = Unit{itinerary_.units() - units_left};
    view.candidates = ids;
    return models_.emplace_back(view);
  }
  std::optional<Choice> fixed() const { return FixedPolicy().next(board().view()); }
  std::optional<Choice> greedy() const { return GreedyPolicy().next(board().view()); }
  Board board() const {
    Board board(itinerary_, 2);
    for (const ModelView& model : models_) board.set(model);
    for (const WorkerView& worker : workers_) board.set(worker.id, worker.alive, worker.queued);
    return board;
  }
  static Choice choice(std::uint32_t model, std::uint32_t worker, std::uint32_t partition) {
    return {ModelId{model}, WorkerId{worker}, PartitionId{partition}};
  }

  Itinerary itinerary_{4, 4, 3, Order::Fixed};
  std::vector<ModelView> models_;
  std::vector<WorkerView> workers_;

 private:
  std::vector<std::unique_ptr<std::vector<PartitionId>>> candidates_;
};

TEST_F(Policies, FixedTakesTheModelWithMostWorkLeftAndThenTheSmallerId) {
  model(4, {1});
  model(6, {1});
  model(6, {1});
  EXPECT_THAT(fixed(), Optional(choice(1, 1, 1)));
  models_[0].unit_seconds = 2;
  EXPECT_THAT(fixed(), Optional(choice(0, 1, 1)));
}

TEST_F(Policies, FixedServesTheIdleBeforeItFillsQueues) {
  model(9, {1});
  model(2, {2});
  workers_[1].queued = 1;
  EXPECT_THAT(fixed(), Optional(choice(1, 2, 2)));
  models_[1].ready = false;
  EXPECT_THAT(fixed(), Optional(choice(0, 1, 1)));
  workers_[1].queued = 2;
  EXPECT_EQ(fixed(), std::nullopt);
}

TEST_F(Policies, FixedPassesOverTheDead) {
  model(9, {1});
  workers_[1].alive = false;
  EXPECT_EQ(fixed(), std::nullopt);
}

TEST_F(Policies, FixedKeepsTheTurnOfALongModelThatStays) {
  itinerary_ = {4, 2, 3, Order::Fixed};
  workers_.resize(2);
  workers_[0].queued = 1;
  ModelView& stays = model(12, {0});  // unit 0 on partition 0; unit 1 on partition 1, of the same worker
  stays.ready = false;
  stays.busy_at = WorkerId{0};
  model(10, {1});
  EXPECT_EQ(fixed(), std::nullopt);
  models_[1].units_left = 11;  // as much as the other will have left: they take turns
  EXPECT_THAT(fixed(), Optional(choice(1, 0, 1)));
}

TEST_F(Policies, GreedyServesTheMostLoadedWorkerFirst) {
  model(4, {0, 1, 2, 3}).unit_seconds = 1;
  model(1, {3}).unit_seconds = 10;
  EXPECT_THAT(greedy(), Optional(choice(1, 3, 3)));
}

TEST_F(Policies, GreedyPrefersWhatIsHereAlready) {
  workers_[1].alive = workers_[2].alive = workers_[3].alive = false;
  model(12, {0, 1, 2, 3});
  model(8, {0, 1, 2, 3}).holder = WorkerId{0};
  EXPECT_THAT(greedy(), Optional(choice(1, 0, 0)));
}

TEST_F(Policies, GreedyLeavesAModelWhereItCanGoOn) {
  itinerary_ = {4, 2, 1, Order::Free};
  workers_.resize(2);
  model(4, {0, 2, 3}).holder = WorkerId{0};  // worker 1 has more to do, but the model is at home with worker 0
  EXPECT_THAT(greedy(), Optional(choice(0, 0, 0)));
  workers_[0].queued = 1;
  EXPECT_THAT(greedy(), Optional(choice(0, 1, 2)));
}

TEST_F(Policies, GreedyBindsNoModelEarlyThatAnIdleWorkerCouldTrainOrWillSoon) {
  for (WorkerView& worker : workers_) worker.queued = 1;
  model(4, {0, 1, 2, 3});
  EXPECT_EQ(greedy(), std::nullopt);  // who is free first will take it
  for (int i = 0; i < 7; ++i) model(4, {0, 1, 2, 3});
  EXPECT_THAT(greedy(), Optional(choice(0, 0, 0)));  // there are enough for all
  workers_[2].queued = 0;
  EXPECT_THAT(greedy(), Optional(choice(0, 2, 2)));
}

TEST_F(Policies, ChooseNothingWhenNothingWaits) {
  model(4, {0}).ready = false;
  EXPECT_EQ(fixed(), std::nullopt);
  EXPECT_EQ(greedy(), std::nullopt);
}

}  // namespace
}  // namespace hop::hopper
