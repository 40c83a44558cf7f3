// Which place of a state counts: where two workers leave at once, where a state is being collected, where a move is on
// its way to the journal, and where a clone begins with a state whose holder is gone or has lost it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "tests/hopper/coordinator_driver.h"

namespace hop::hopper {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

CoordinatorOptions with_copies() {
  CoordinatorOptions options;
  options.copies = 2;
  return options;
}

// The only copy that the last step ordered, and its receiver.
std::pair<Copy, Peer> ordered(const Drive& run) {
  const auto sent = run.all<action::SendCopy>();
  EXPECT_THAT(sent, SizeIs(1));
  return sent.empty() ? std::pair<Copy, Peer>() : std::pair(sent[0].copy, sent[0].peer);
}

// Tells the coordinator that the copy that it has just ordered is there.
Copy finish_copy(Drive& run) {
  const auto [copy, to] = ordered(run);
  run.step(event::Copied{to, copy.model, copy.attempt});
  return copy;
}

TEST(CoordinatorPlaces, ACopyAtAWorkerThatStaysOutlivesOneAtAWorkerThatLeaves) {
  Drive run({6, 3, 1, Order::Fixed}, 1, {}, with_copies());
  for (std::uint32_t w = 0; w < 3; ++w) run.up(w);
  run.train(0);
  EXPECT_EQ(ordered(run).second, peer(1));
  finish_copy(run);
  run.step(event::WorkerLeaves{peer(1)});
  run.step(event::WorkerLeaves{peer(0)});
  EXPECT_EQ(ordered(run).second, peer(2)) << "a worker that leaves takes no copies";
  const Copy copy = ordered(run).first;
  run.fail(0, Failure::Cancelled);
  EXPECT_THAT(run.appended<record::Moved>(), IsEmpty()) << "worker 1 leaves, too";
  run.step(event::Copied{peer(2), copy.model, copy.attempt});
  const auto released = run.all<action::Release>();
  ASSERT_THAT(released, SizeIs(1));
  EXPECT_EQ(released[0].peer, peer(1));
  const auto moved = run.appended<record::Moved>();
  ASSERT_THAT(moved, SizeIs(1));
  EXPECT_EQ(moved[0].worker, WorkerId{2});
  run.sync();
  EXPECT_EQ(run.model(0).holder, WorkerId{2});
  EXPECT_THAT(run.all<action::SendHome>(), SizeIs(1));
}

TEST(CoordinatorPlaces, AModelMovesAfterItsStateIsCollected) {
  const Itinerary keeps_best{
      .partitions = 2, .workers = 2, .epochs = 2, .order = Order::Fixed, .keep_best = Objective::TrainLoss};
  Drive run(keeps_best, 1, {}, with_copies());
  run.up(0);
  run.up(1);
  run.train(0);
  run.train(0);
  ASSERT_EQ(run.model(0).holder, WorkerId{1});
  ASSERT_THAT(run.all<action::SendCollect>(), SizeIs(1));
  finish_copy(run);
  run.step(event::WorkerLeaves{peer(1)});
  EXPECT_THAT(run.appended<record::Moved>(), IsEmpty()) << "another collection would begin beside this one";
  run.step(event::Collected{peer(1), ModelId{0}, StateFile::Best, 1, "sha"});
  run.sync();
  EXPECT_THAT(run.appended<record::Moved>(), SizeIs(1));
  EXPECT_THAT(run.all<action::SendCollect>(), IsEmpty());
  run.sync();
  EXPECT_EQ(run.model(0).holder, WorkerId{0});
}

TEST(CoordinatorPlaces, AnAnswerFromALifeThatHasEndedLosesNoCopy) {
  const Itinerary keeps_best{
      .partitions = 2, .workers = 2, .epochs = 2, .order = Order::Fixed, .keep_best = Objective::TrainLoss};
  Drive run(keeps_best, 1, {}, with_copies());
  run.up(0);
  run.up(1);
  run.train(0);
  run.train(0);
  finish_copy(run);
  run.down(1);
  run.up(1, 2, {});
  run.sync();
  ASSERT_EQ(run.model(0).holder, WorkerId{0});
  ASSERT_THAT(run.all<action::SendCollect>(), SizeIs(1));
  run.step(event::CollectFailed{peer(1), ModelId{0}, "no such state", Failure::StateLost});
  EXPECT_THAT(run.appended<record::Rollback>(), IsEmpty()) << "it speaks of the place where the state was";
  run.step(event::Collected{peer(0), ModelId{0}, StateFile::Best, 1, "sha"});
  EXPECT_THAT(run.appended<record::Collected>(), SizeIs(1));
}

TEST(CoordinatorPlaces, AFileCountsAlthoughTheWorkerThatGaveItHasDied) {
  Drive run({1, 1, 1, Order::Fixed});
  run.up(0);
  run.train(0);
  ASSERT_THAT(run.all<action::SendCollect>(), SizeIs(1));
  run.down(0);
  run.step(event::Collected{peer(0), ModelId{0}, StateFile::Last, 1, "sha"});
  EXPECT_THAT(run.appended<record::Collected>(), SizeIs(1));
}

// Worker 0 leaves, worker 1 has a copy of version 1, and the move is written but not durable.
class MoveOnItsWay : public testing::Test {
 protected:
  MoveOnItsWay() {
    run.up(0);
    run.up(1);
    run.train(0);
    old = held(run.model(0).newest_attempt());
    run.step(event::WorkerLeaves{peer(0)});
    copy = held(finish_copy(run).attempt);
    run.fail(0, Failure::Cancelled);
    EXPECT_THAT(run.appended<record::Moved>(), SizeIs(1));
  }
  HeldState held(Attempt attempt) const {
    return {ModelId{0}, Version{1}, PartitionId{0}, attempt, {}, run.model(0).digest, {}};
  }
  Drive run{{4, 2, 1, Order::Fixed}};
  HeldState old, copy;
};

TEST_F(MoveOnItsWay, KeepsTheCopyAlthoughTheOldHolderIsBack) {
  run.down(0);
  run.up(0, 2, {old});
  EXPECT_THAT(run.all<action::Release>(), IsEmpty()) << "the copy is the newest state in a moment";
  run.down(1);
  run.up(1, 2, {copy});
  EXPECT_THAT(run.all<action::Release>(), IsEmpty());
  run.sync();
  EXPECT_EQ(run.model(0).holder, WorkerId{1});
  const auto released = run.all<action::Release>();
  ASSERT_THAT(released, SizeIs(1));
  EXPECT_EQ(released[0].peer, peer(0, 2));
  EXPECT_EQ(released[0].attempt, old.attempt);
}

TEST_F(MoveOnItsWay, LeadsBackWhereItsCopyIsLostMeanwhile) {
  run.down(1);
  run.up(1, 2, {});
  run.sync();
  EXPECT_THAT(run.all<action::Release>(), IsEmpty()) << "the old holder has the only state";
  EXPECT_THAT(run.appended<record::Rollback>(), IsEmpty());
  EXPECT_THAT(run.appended<record::Moved>(), ElementsAre(record::Moved{ModelId{0}, Version{1}, WorkerId{0}, old.attempt,
                                                                       "version 1 is gone from worker 1"}));
}

TEST(CoordinatorPlaces, ACopyThatIsLostIsReleasedWhereItLay) {
  Drive run({4, 2, 1, Order::Fixed}, 1, {}, with_copies());
  run.up(0);
  run.up(1);
  run.train(0);
  const Copy copy = finish_copy(run);
  run.down(0);
  run.up(0, 2);
  run.sync();
  ASSERT_EQ(run.model(0).holder, WorkerId{1});
  run.fail(0, Failure::StateLost);
  ASSERT_THAT(run.appended<record::Rollback>(), SizeIs(1));
  run.sync();
  const auto released = run.all<action::Release>();
  ASSERT_THAT(released, SizeIs(1)) << "no unit on worker 1 will replace the file";
  EXPECT_EQ(released[0].peer, peer(1));
  EXPECT_EQ(released[0].version, Version{1});
  EXPECT_EQ(released[0].attempt, copy.attempt);
}

// Asks for two models, and for a clone of model 0 after their first epoch.
class OneClone final : public Search {
 public:
  std::optional<Proposal> ask() override {
    if (begun_ < 2) return Proposal{{{"lr", 1.0 / ++begun_}}, {}, 0};
    return std::exchange(clone_, std::nullopt);
  }
  std::vector<SearchOrder> end_of_tick() override {
    if (!std::exchange(has_cloned_, true)) clone_ = Proposal{{{"lr", 0.25}}, Parent{ModelId{0}, Epoch{0}}, 0};
    return {};
  }
  bool barrier_at(Epoch) const override { return true; }

 private:
  int begun_ = 0;
  bool has_cloned_ = false;
  std::optional<Proposal> clone_;
};

TEST(CoordinatorPlaces, ACloneBeginsWithTheCopyWhereTheHolderOfItsParentIsGone) {
  Drive run(
      {2, 2, 2, Order::Fixed}, [] { return std::make_unique<OneClone>(); }, {}, with_copies());
  run.up(0);
  run.up(1);
  run.train(1);  // on worker 1
  run.train(0);  // on worker 0
  run.train(0);  // on worker 1, and waits for the search
  ASSERT_EQ(run.model(0).holder, WorkerId{1});
  const Copy copy = finish_copy(run);
  run.step(run.result_of(1));  // by worker 0; not durable yet
  run.down(1);
  run.now += seconds(4);
  run.step(event::Timer{});
  ASSERT_THAT(run.appended<record::Moved>(), SizeIs(1));
  run.step(event::Synced{run.journal().size() - 1});  // the unit, and not the move
  const auto asked = run.appended<record::Asked>();
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_EQ(asked[0].place, (record::Place{WorkerId{0}, copy.attempt}));
  run.sync();
  EXPECT_EQ(run.model(2).holder, WorkerId{0});
  EXPECT_EQ(run.lease(2).stored_as, ModelId{0});
}

// Fails all copies that the last step has ordered, and those that are ordered in their places.
void fail_copies(Drive& run) {
  std::vector<action::SendCopy> sent = run.all<action::SendCopy>();
  while (!sent.empty()) {
    const action::SendCopy order = sent.back();
    sent.pop_back();
    run.step(event::CopyFailed{order.peer, order.copy.model, order.copy.attempt, "no answer"});
    for (const action::SendCopy& next : run.all<action::SendCopy>()) sent.push_back(next);
  }
}

// The lost state stays in the list, because the clone may still get its file deleted.
TEST(CoordinatorPlaces, AModelGoesNotBackToALostStateThatACloneBeginsWith) {
  Drive run(
      {2, 2, 2, Order::Fixed}, [] { return std::make_unique<OneClone>(); }, {}, with_copies());
  run.up(0);
  run.up(1);
  run.train(1);  // on worker 1
  run.train(0);  // on worker 0
  run.train(0);  // on worker 1, and waits for the search
  finish_copy(run);
  run.train(1);  // on worker 0: the search asks for the clone
  fail_copies(run);
  run.sync();
  fail_copies(run);
  ASSERT_EQ(run.model(2).holder, WorkerId{1});
  run.fail(0, Failure::StateLost);  // says worker 1
  ASSERT_THAT(run.appended<record::Moved>(), SizeIs(1));
  run.sync();
  fail_copies(run);
  ASSERT_EQ(run.model(0).holder, WorkerId{0});
  run.fail(0, Failure::StateLost);  // the copy, too
  EXPECT_THAT(run.appended<record::Moved>(), IsEmpty());
  EXPECT_THAT(run.appended<record::Rollback>(), SizeIs(1));
}

// Its holder has lost the state, its unit waits elsewhere, and meanwhile the holder gets a copy of that state.
TEST(CoordinatorPlaces, ACloneGoesOnWhereACopyBringsItsFirstStateBack) {
  Drive run(
      {2, 2, 2, Order::Fixed}, [] { return std::make_unique<OneClone>(); }, {}, with_copies());
  run.up(0);
  run.up(1);
  run.train(1);  // on worker 1
  run.train(0);  // on worker 0
  run.train(0);  // on worker 1, and waits for the search
  finish_copy(run);
  run.train(1);  // on worker 0: the search asks for the clone
  run.sync();
  ASSERT_EQ(run.model(2).stored_as, ModelId{0});
  ASSERT_EQ(run.model(2).holder, WorkerId{1});
  ASSERT_EQ(run.holder(2), peer(0));
  run.down(1);
  run.up(1, 2, {});
  std::vector<action::SendCopy> sent = run.all<action::SendCopy>();
  run.fail(0, Failure::SourceUnreachable);
  ASSERT_THAT(run.appended<record::Moved>(), SizeIs(1));
  run.sync();
  ASSERT_EQ(run.model(0).holder, WorkerId{0});
  bool has_come = false;
  for (int i = 0; i < 4 && !has_come; ++i) {
    for (const action::SendCopy& order : run.all<action::SendCopy>()) sent.push_back(order);
    ASSERT_FALSE(sent.empty());
    const action::SendCopy order = sent.front();
    sent.erase(sent.begin());
    run.step(event::Copied{order.peer, order.copy.model, order.copy.attempt});
    has_come = order.copy.model == ModelId{0} && order.peer == peer(1, 2);
  }
  ASSERT_TRUE(has_come);
  run.fail(2, Failure::StateLost);
  EXPECT_THAT(run.appended<record::Rollback>(), IsEmpty()) << "this news is older than the copy";
  ASSERT_EQ(run.lease(2).unit, Unit{2});
  run.fail(2, Failure::StateLost);
  EXPECT_THAT(run.appended<record::Rollback>(), SizeIs(1)) << "and this is not";
}

}  // namespace
}  // namespace hop::hopper
