#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "hopper/schedule/board.h"
#include "hopper/schedule/fixed.h"
#include "hopper/schedule/greedy.h"
#include "hopper/schedule/queue.h"
#include "hopper/schedule/random.h"
#include "hopper/simulate/run.h"
#include "hopper/strategy/data_parallel.h"
#include "hopper/strategy/task_parallel.h"

namespace hop::hopper {
namespace {

using testing::Optional;

TEST(Itinerary, KnowsWhichMemberOfAGroupOwnsEachPass) {
  const auto owners = [](std::uint32_t partitions, std::uint32_t workers, std::shared_ptr<const Strategy> strategy) {
    const Itinerary itinerary{.partitions = partitions, .workers = workers, .strategy = std::move(strategy)};
    return itinerary.owners(PartitionId{0});
  };
  EXPECT_THAT(owners(6, 4, allreduce()), testing::ElementsAre(0, 0, 1, 2, 2, 3));
  EXPECT_THAT(owners(3, 8, allreduce()).size(), 3U) << "the others have no work";
  EXPECT_THAT(owners(6, 1, allreduce()), testing::IsEmpty());
  EXPECT_THAT(owners(6, 4, hopping()), testing::IsEmpty());
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
  std::optional<Choice> queue() const { return QueuePolicy().next(board().view()); }
  std::optional<Choice> random() const { return RandomPolicy().next(board().view()); }
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
  EXPECT_EQ(queue(), std::nullopt);
  EXPECT_EQ(random(), std::nullopt);
}

TEST_F(Policies, RandomTakesEveryPairEquallyOften) {
  itinerary_ = {4, 2, 500, Order::Free};
  workers_.resize(2);
  workers_[1].alive = false;
  model(0, {0, 1, 2});  // worker 0 owns partitions 0 and 1
  model(0, {1, 2});
  std::map<std::pair<std::uint32_t, std::uint32_t>, int> taken;
  for (std::uint32_t unit = 0; unit < 1200; ++unit) {
    models_[0].next_unit = models_[1].next_unit = Unit{unit};
    models_[0].units_left = models_[1].units_left = 2000 - unit;
    const std::optional<Choice> chosen = random();
    ASSERT_TRUE(chosen && chosen->worker == WorkerId{0});
    EXPECT_EQ(random(), chosen) << "the same view, the same choice";
    ++taken[{chosen->model.value, chosen->partition.value}];
  }
  ASSERT_EQ(taken.size(), 3U);
  for (const auto& [pair, times] : taken) EXPECT_NEAR(times, 400, 60) << pair.first << " on " << pair.second;
}

TEST_F(Policies, RandomServesTheIdleAndBindsNoModelEarly) {
  workers_[0].queued = 2;
  workers_[1].queued = 1;
  model(4, {0, 1, 2, 3});
  for (std::uint32_t unit = 0; unit < 20; ++unit) {
    models_[0].next_unit = Unit{unit};
    EXPECT_GE(random().value().worker, WorkerId{2});
  }
  workers_[2].queued = workers_[3].queued = 1;
  EXPECT_EQ(random(), std::nullopt);
  model(4, {1});
  model(4, {1});
  EXPECT_EQ(random().value().worker, WorkerId{1}) << "three models, three workers that are soon idle";
}

// Eight models on eight workers: at random, workers idle and wait for models that others hold.
TEST(RandomPolicyInARun, TakesLongerThanTheRotation) {
  Experiment e;
  e.seed = 3;
  e.data.partitions = 8;
  e.run.workers = 8;
  e.search.epochs = 5;
  Choices all;
  for (std::int64_t i = 0; i < 8; ++i) all.emplace_back(i);
  e.search.space = {{"i", all}};
  const double rotation = simulate::run(e).makespan_seconds;
  e.run.order = Order::Free;
  e.run.policy = "random";
  EXPECT_GT(simulate::run(e).makespan_seconds, 1.05 * rotation);
}

TEST_F(Policies, QueueSendsModelsToTheOwnersOfTheirPartitions) {
  model(9, {2});
  EXPECT_THAT(queue(), Optional(choice(0, 2, 2)));
  models_[0].holder = WorkerId{0};
  EXPECT_THAT(queue(), Optional(choice(0, 2, 2))) << "it must travel on";
  for (WorkerView& worker : workers_) worker.queued = 1;
  EXPECT_EQ(queue(), std::nullopt) << "too few wait";
}

// ---- units that any worker may train: whole epochs of four partitions

class Tasks : public Policies {
 protected:
  Tasks() { itinerary_.strategy = task_parallel(); }
  ModelView& at(std::uint32_t worker, std::uint32_t units_left) {
    ModelView& held = model(units_left, {0});
    held.holder = WorkerId{worker};
    return held;
  }
};

// At the start of a run some workers are ready before others: a second model of the first one would leave the last one
// without any.
TEST_F(Tasks, AreLeftForWorkersThatAreNotThereYet) {
  for (std::size_t i = 0; i + 1 < workers_.size(); ++i) model(9, {0});
  for (std::size_t i = 1; i < workers_.size(); ++i) workers_[i].alive = false;
  workers_[0].queued = 1;
  EXPECT_EQ(queue(), std::nullopt) << "as many models wait as workers are away, and this one is soon idle, too";
  model(9, {0});
  EXPECT_THAT(queue(), Optional(choice(0, 0, 0)));
}

TEST_F(Tasks, StayAndTheLongestGoesFirst) {
  model(3, {0});
  at(2, 1);
  at(2, 2);
  at(2, 2).unit_seconds = 2;
  for (WorkerView& worker : workers_) worker.alive = worker.id == WorkerId{2};
  EXPECT_THAT(queue(), Optional(choice(3, 2, 0)));
  models_[3].ready = false;
  EXPECT_THAT(queue(), Optional(choice(2, 2, 0))) << "a longer one waits to be begun";
  models_[1].ready = models_[2].ready = false;
  EXPECT_THAT(queue(), Optional(choice(0, 2, 0)));
}

TEST_F(Tasks, AreBegunInTheirOrder) {
  model(1, {3});
  model(3, {1});
  EXPECT_THAT(queue(), Optional(choice(0, 0, 3)));
  workers_[0].queued = 1;
  models_[0].ready = false;
  EXPECT_THAT(queue(), Optional(choice(1, 1, 1))) << "the idle come first";
}

TEST_F(Tasks, AreBegunEarlyOnlyIfEnoughWait) {
  for (WorkerView& worker : workers_) worker.queued = 1;
  model(3, {0});
  EXPECT_EQ(queue(), std::nullopt) << "the worker that is free first takes it";
  for (int i = 0; i < 3; ++i) model(3, {0});
  EXPECT_THAT(queue(), Optional(choice(0, 0, 0)));
}

TEST_F(Tasks, LeaveABusyWorkerForAnIdleOne) {
  workers_[1].queued = 1;
  at(1, 2);
  at(1, 3);
  EXPECT_THAT(queue(), Optional(choice(1, 0, 0)));
  for (const std::uint32_t worker : {0U, 2U, 3U}) {
    ModelView& committing = at(worker, 1);
    committing.ready = false;
    committing.busy_at = WorkerId{worker};
  }
  EXPECT_THAT(queue(), Optional(choice(1, 1, 0))) << "the others wait for the commits of their own";
}

TEST_F(Tasks, DoNotLeaveAWorkerThatCanGoOn) {
  at(3, 2);
  EXPECT_THAT(queue(), Optional(choice(0, 3, 0)));
  workers_[3].alive = false;
  EXPECT_EQ(queue(), std::nullopt) << "its state lies there";
}

TEST_F(Tasks, FollowTheGreedyPolicyToo) {
  at(1, 2);
  EXPECT_THAT(greedy(), Optional(choice(0, 1, 0)));
  workers_[1].queued = 1;
  EXPECT_THAT(greedy(), Optional(choice(0, 0, 0)));
}

}  // namespace
}  // namespace hop::hopper
