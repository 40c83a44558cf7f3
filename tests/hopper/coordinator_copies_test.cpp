// Two places for every state: when copies are made, what is kept, and how a model goes on from its copy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/hopper/coordinator_driver.h"

namespace hop::hopper {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Worker 0 has partitions 0 and 1, worker 1 has 2 and 3. Model 0 goes through them in their order.
const Itinerary kTwoEach{4, 2, 1, Order::Fixed};

CoordinatorOptions with_copies() {
  CoordinatorOptions options;
  options.copies = 2;
  return options;
}

class Copies : public testing::Test {
 protected:
  Copies() {
    run.up(0);
    run.up(1);
  }
  // The only copy that the last step ordered.
  Copy ordered(const Drive& of) {
    const auto sent = of.all<action::SendCopy>();
    EXPECT_THAT(sent, SizeIs(1));
    return sent.empty() ? Copy{} : sent[0].copy;
  }
  Copy ordered() { return ordered(run); }
  static event::Copied copied(std::uint32_t worker, const Copy& copy) {
    return {peer(worker), copy.model, copy.attempt};
  }
  // Model 0 has trained its first unit on worker 0, and worker 1 has a copy of version 1.
  Copy train_and_copy() {
    first = run.held_of(0);
    run.train(0);
    const Copy copy = ordered();
    run.step(copied(1, copy));
    return copy;
  }
  HeldState first;
  Drive run{kTwoEach, 1, {}, with_copies()};
};

TEST_F(Copies, AreOrderedOfAStateThatStaysAtItsWorkerOnceItIsDurable) {
  run.step(run.result_of(0));
  EXPECT_THAT(run.all<action::SendCopy>(), IsEmpty());
  run.sync();
  const auto sent = run.all<action::SendCopy>();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].peer, peer(1));
  EXPECT_EQ(sent[0].copy.version, Version{1});
  EXPECT_EQ(sent[0].copy.digest, run.model(0).digest);
  EXPECT_EQ(sent[0].copy.source, WorkerId{0});
  EXPECT_NE(sent[0].copy.attempt, run.lease(0).attempt);
  EXPECT_TRUE(run.coordinator().is_copying_to(WorkerId{1}));
  EXPECT_EQ(run.holder(0), peer(0)) << "the next unit does not wait for the copy";
}

TEST_F(Copies, AreNotMadeWithoutTheWish) {
  Drive alone(kTwoEach, 1);
  alone.up(0);
  alone.up(1);
  alone.train(0);
  EXPECT_THAT(alone.all<action::SendCopy>(), IsEmpty());
}

TEST_F(Copies, AreNotOrderedOfAStateThatIsOnItsWayToTheNextWorker) {
  train_and_copy();
  run.train(0);
  EXPECT_EQ(run.holder(0), peer(1));
  EXPECT_THAT(run.all<action::SendCopy>(), IsEmpty());
}

TEST_F(Copies, LeaveOneStateAtAnotherWorkerThanTheNewestOnes) {
  const Copy copy = train_and_copy();
  run.train(0);  // version 2 on worker 0, too
  const auto older = run.all<action::Release>();
  ASSERT_THAT(older, SizeIs(1)) << "version 1 of worker 0, and not its copy";
  EXPECT_EQ(older[0].peer, peer(0));
  run.train(0);  // version 3 on worker 1
  const auto released = run.all<action::Release>();
  ASSERT_THAT(released, SizeIs(1)) << "the copy, and not version 2 of worker 0";
  EXPECT_EQ(released[0].peer, peer(1));
  EXPECT_EQ(released[0].attempt, copy.attempt);
  const Copy next = ordered();
  EXPECT_EQ(next.version, Version{3});
  run.step(copied(0, next));
  const auto last = run.all<action::Release>();
  ASSERT_THAT(last, SizeIs(1));
  EXPECT_EQ(last[0].peer, peer(0));
  EXPECT_EQ(last[0].version, Version{2});
}

TEST_F(Copies, MakeTheLossOfANodeCostNothing) {
  const Copy copy = train_and_copy();
  run.down(0);
  run.up(0, 2, {});
  EXPECT_THAT(run.appended<record::Rollback>(), IsEmpty());
  EXPECT_THAT(
      run.appended<record::Moved>(),
      ElementsAre(record::Moved{ModelId{0}, Version{1}, WorkerId{1}, copy.attempt, "version 1 is gone from worker 0"}));
  EXPECT_FALSE(run.leased(0)) << "not before that is durable";
  run.sync();
  EXPECT_EQ(run.model(0).version, Version{1});
  EXPECT_EQ(run.model(0).holder, WorkerId{1});
  EXPECT_EQ(run.lease(0).unit, Unit{1});
  EXPECT_EQ(run.lease(0).source, WorkerId{1});
  EXPECT_EQ(run.coordinator().ledger().retrained(), 0U);
}

TEST_F(Copies, ThatAreLostTooLetTheModelBeginAgain) {
  train_and_copy();
  run.down(0);
  run.down(1);
  run.up(1, 2, {});
  run.up(0, 2, {});
  const auto rolled = run.appended<record::Rollback>();
  ASSERT_THAT(rolled, SizeIs(1));
  EXPECT_EQ(rolled[0].version, Version{0});
  run.sync();
  run.train(0);
  EXPECT_EQ(run.model(0).version, Version{1});
  EXPECT_EQ(run.coordinator().ledger().retrained(), 1U);
}

TEST_F(Copies, ThatAreOnTheirWaySettleALoss) {
  run.train(0);
  const Copy copy = ordered();
  run.down(0);
  run.up(0, 2, {});
  EXPECT_THAT(run.appended<record::Rollback>(), IsEmpty());
  run.step(copied(1, copy));
  EXPECT_THAT(run.appended<record::Moved>(), SizeIs(1));
}

TEST_F(Copies, ThatDoNotArriveLetTheModelGoBack) {
  run.train(0);
  const Copy copy = ordered();
  run.down(0);
  run.up(0, 2, {});
  run.step(event::CopyFailed{peer(1), copy.model, copy.attempt, "no answer"});
  EXPECT_THAT(run.appended<record::Rollback>(), SizeIs(1));
}

TEST_F(Copies, AreNotWaitedForWhenAnotherNodeTakesThePlaceOfTheirSource) {
  run.train(0);
  const Copy copy = ordered();
  run.down(0);
  EXPECT_THAT(run.all<action::SourceGone>(), IsEmpty());
  run.up(0, 2, {});
  const auto told = run.all<action::SourceGone>();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].peer, peer(1));
  EXPECT_EQ(told[0].attempt, copy.attempt);
  EXPECT_THAT(run.appended<record::Rollback>(), IsEmpty()) << "it may have arrived";
}

// The next unit is worker 1's, who fetches version 2 from worker 0, whose machine was unplugged.
TEST_F(Copies, LetNobodyWaitForAStateOfAWorkerThatCountsAsGone) {
  train_and_copy();
  run.train(0);
  ASSERT_EQ(run.holder(0), peer(1));
  const Attempt waiting = run.lease(0).attempt;
  run.down(0);
  run.now += seconds(2);
  run.step(event::Timer{});
  EXPECT_THAT(run.all<action::SourceGone>(), IsEmpty()) << "it may come back in a moment";
  run.now += seconds(2);
  run.step(event::Timer{});
  const auto told = run.all<action::SourceGone>();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].peer, peer(1));
  EXPECT_EQ(told[0].attempt, waiting);
  run.now += seconds(2);
  run.step(event::Timer{});
  EXPECT_THAT(run.all<action::SourceGone>(), IsEmpty()) << "once";
  run.fail(0, Failure::SourceGone);
  EXPECT_FALSE(run.leased(0)) << "the copy is older: the model waits for its holder";
}

TEST_F(Copies, LetAModelGoOnWhenItsHolderStaysAway) {
  train_and_copy();
  run.down(0);
  run.now += seconds(2);
  run.step(event::Timer{});
  EXPECT_THAT(run.appended<record::Moved>(), IsEmpty()) << "it may come back in a moment";
  run.now += seconds(2);
  run.step(event::Timer{});
  const auto moved = run.appended<record::Moved>();
  ASSERT_THAT(moved, SizeIs(1));
  EXPECT_EQ(moved[0].reason, "worker 0 is away");
  run.sync();
  EXPECT_EQ(run.model(0).holder, WorkerId{1});
  run.up(0, 2, {first});
  EXPECT_THAT(run.all<action::Release>(), IsEmpty()) << "what it brings is the second place now";
  EXPECT_EQ(run.holder(0), peer(0, 2));
  EXPECT_EQ(run.lease(0).source, WorkerId{1});
}

TEST_F(Copies, AreKnownAfterTheCoordinatorDied) {
  const Copy copy = train_and_copy();
  HeldState second = first;
  second.attempt = copy.attempt;
  run.crash();
  run.up(1, 2, {second});
  run.up(0, 2, {first});
  EXPECT_THAT(run.all<action::Release>(), IsEmpty());
  EXPECT_THAT(run.all<action::SendCopy>(), IsEmpty());
  run.up(0, 3, {});
  const auto moved = run.appended<record::Moved>();
  ASSERT_THAT(moved, SizeIs(1));
  EXPECT_EQ(moved[0].attempt, copy.attempt);
}

TEST_F(Copies, ThatFailAreTriedAgainAfterAWhileUnderAnotherAttempt) {
  run.train(0);
  const Copy copy = ordered();
  run.step(event::CopyFailed{peer(1), copy.model, copy.attempt, "no answer"});
  EXPECT_THAT(run.all<action::SendCopy>(), IsEmpty());
  EXPECT_FALSE(run.coordinator().is_copying_to(WorkerId{1}));
  run.now += milliseconds(200);
  run.step(event::Timer{});
  EXPECT_GT(ordered().attempt, copy.attempt);
}

TEST_F(Copies, ThatAreToldTwiceCountOnce) {
  const Copy copy = train_and_copy();
  run.step(copied(1, copy));
  EXPECT_THAT(run.actions, IsEmpty());
}

TEST_F(Copies, OfAWorkerThatWasLostMeanwhileAreOrderedAgain) {
  run.train(0);
  ordered();
  run.down(1);
  run.up(1, 2);
  EXPECT_EQ(ordered().version, Version{1});
  EXPECT_EQ(run.all<action::SendCopy>()[0].peer, peer(1, 2));
}

// ---- workers that leave, with one copy --------------------------------------------------------------------------------

class Leaving : public Copies {
 protected:
  Leaving() {
    alone.up(0);
    alone.up(1);
    alone.train(0);
    run.train(0);
  }
  Drive alone{kTwoEach, 1};
};

TEST_F(Leaving, HandTheirStatesOverAndAreSentHome) {
  alone.step(event::WorkerLeaves{peer(0)});
  EXPECT_THAT(alone.all<action::CancelLease>(), SizeIs(1));
  EXPECT_THAT(alone.all<action::SendHome>(), IsEmpty());
  const Copy copy = ordered(alone);
  alone.step(copied(1, copy));
  EXPECT_THAT(alone.appended<record::Moved>(), IsEmpty()) << "its unit may still be trained";
  alone.fail(0, Failure::Cancelled);
  const auto moved = alone.appended<record::Moved>();
  ASSERT_THAT(moved, SizeIs(1));
  EXPECT_EQ(moved[0].reason, "worker 0 leaves");
  EXPECT_THAT(alone.all<action::SendHome>(), IsEmpty()) << "not before that is durable";
  alone.sync();
  EXPECT_EQ(alone.model(0).holder, WorkerId{1});
  ASSERT_THAT(alone.all<action::SendHome>(), SizeIs(1));
  EXPECT_EQ(alone.all<action::SendHome>()[0].peer, peer(0));
  EXPECT_FALSE(alone.leased(0)) << "its next unit is for a worker that leaves";
  alone.down(0);
  alone.up(0, 2);
  EXPECT_EQ(alone.holder(0), peer(0, 2));
  EXPECT_EQ(alone.lease(0).source, WorkerId{1});
}

TEST_F(Leaving, MayFinishTheUnitThatTheyTrain) {
  alone.step(event::WorkerLeaves{peer(0)});
  const Copy copy = ordered(alone);
  alone.train(0);
  EXPECT_EQ(alone.model(0).version, Version{2});
  EXPECT_THAT(alone.all<action::SendHome>(), IsEmpty()) << "version 2 is on its way to the next worker";
  alone.step(copied(1, copy));
  alone.train(0);  // by worker 1
  EXPECT_THAT(alone.all<action::SendHome>(), SizeIs(1));
}

TEST_F(Leaving, AreSentHomeOnceAndAtOnceWithoutStates) {
  alone.step(event::WorkerLeaves{peer(1)});
  EXPECT_THAT(alone.all<action::SendHome>(), SizeIs(1));
  alone.step(event::WorkerLeaves{peer(1)});
  EXPECT_THAT(alone.all<action::SendHome>(), IsEmpty());
}

TEST_F(Leaving, StayWhereNobodyCanTakeTheirStates) {
  alone.down(1);
  alone.step(event::WorkerLeaves{peer(0)});
  EXPECT_THAT(alone.all<action::SendCopy>(), IsEmpty());
  EXPECT_THAT(alone.all<action::SendHome>(), IsEmpty());
  alone.up(1, 2);
  EXPECT_THAT(alone.all<action::SendCopy>(), SizeIs(1));
}

// Its machine is switched off before the state has arrived, and closes no connection.
TEST_F(Leaving, AreNotWaitedForWhenTheyAreDown) {
  for (Drive* drive : {&alone, &run}) {
    drive->train(0);
    ASSERT_EQ(drive->lease(0).source, WorkerId{0});
    drive->step(event::WorkerLeaves{peer(0)});
    EXPECT_THAT(drive->all<action::SourceGone>(), IsEmpty()) << "it is still there";
    drive->down(0);
    const auto told = drive->all<action::SourceGone>();
    ASSERT_FALSE(told.empty());
    EXPECT_EQ(told[0].peer, peer(1));
    EXPECT_EQ(told[0].attempt, drive->lease(0).attempt);
  }
}

TEST_F(Leaving, DoNotWaitWhereTheRunStops) {
  alone.step(event::WorkerLeaves{peer(0)});
  alone.step(event::StopRequested{});
  EXPECT_THAT(alone.all<action::SendHome>(), SizeIs(1));
}

TEST_F(Leaving, AreNotToldThatAResultIsStaleWhoseStateIsASecondPlace) {
  const Copy copy = ordered();
  const Lease unit = run.lease(0);
  ASSERT_EQ(unit.unit, Unit{1});
  const Visit trained = run.model(0).visit(Unit{0});
  run.step(event::WorkerLeaves{peer(0)});
  run.fail(0, Failure::Cancelled);
  run.step(copied(1, copy));
  run.sync();
  ASSERT_EQ(run.model(0).holder, WorkerId{1});
  run.step(event::Result{peer(0), ModelId{0}, Unit{0}, trained.attempt, trained.digest, {}});
  EXPECT_THAT(run.all<action::Answer>(), IsEmpty());
}

}  // namespace
}  // namespace hop::hopper
