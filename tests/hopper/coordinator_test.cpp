// How a run begins, ends and goes on. simulate_test.cpp plays all of it against thousands of faults.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/hopper/coordinator_driver.h"

namespace hop::hopper {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// ---- LEASE ----------------------------------------------------------------------------------------------------------

TEST(Coordinator, LeasesNothingBeforeItsAttemptsAreReservedOnTheDisk) {
  Coordinator coordinator(kOneWorker, grid(1), policy(Order::Fixed));
  const auto first = coordinator.step(event::Started{}, Time{});
  ASSERT_THAT(first, SizeIs(3));
  EXPECT_TRUE(std::holds_alternative<record::Asked>(std::get<action::Append>(first[0]).record));
  EXPECT_TRUE(std::holds_alternative<record::Ticked>(std::get<action::Append>(first[1]).record));
  EXPECT_TRUE(std::holds_alternative<record::Reserve>(std::get<action::Append>(first[2]).record));
  EXPECT_THAT(coordinator.step(event::WorkerUp{peer(0), {}}, Time{}), IsEmpty());
  EXPECT_THAT(coordinator.step(event::Synced{2}, Time{}), IsEmpty()) << "the model is there, but no attempt";
  const auto then = coordinator.step(event::Synced{3}, Time{});
  ASSERT_THAT(then, SizeIs(1));
  EXPECT_TRUE(std::holds_alternative<action::SendLease>(then[0]));
}

TEST(Coordinator, LeasesTheFirstUnitWithoutAParent) {
  Drive run(kOneWorker);
  run.up(0);
  const Lease lease = run.lease(0);
  EXPECT_EQ(lease.unit, Unit{0});
  EXPECT_EQ(lease.partition, PartitionId{0});
  EXPECT_EQ(lease.parent, Digest{});
  EXPECT_EQ(lease.source, std::nullopt);
  EXPECT_FALSE(lease.validate);
  EXPECT_THAT(run.all<action::SendLease>(), SizeIs(1));
}

TEST(Coordinator, SaysWhereTheParentLiesAndWhenToValidate) {
  Drive run(kTwoWorkers);
  run.up(0);
  run.up(1);
  run.train(0);
  const Lease lease = run.lease(0);
  EXPECT_EQ(lease.partition, PartitionId{1});
  EXPECT_EQ(lease.source, WorkerId{0});
  EXPECT_EQ(lease.parent, (Digest{1, 1}));
  EXPECT_TRUE(lease.validate);
  EXPECT_EQ(run.holder(0), peer(1));
}

TEST(Coordinator, FillsAQueueOfTwo) {
  Drive run(kOneWorker, 3);
  run.up(0);
  EXPECT_THAT(run.all<action::SendLease>(), SizeIs(2));
  run.step(run.result_of(0));  // the next one is sent at once, before the commit is durable
  ASSERT_THAT(run.all<action::SendLease>(), SizeIs(1));
  EXPECT_EQ(run.all<action::SendLease>()[0].lease.model, ModelId{2});
}

TEST(Coordinator, ReservesFurtherAttemptsInGoodTime) {
  Drive run(kOneWorker, 4, {}, {.queue_depth = 2, .attempt_block = 4});
  run.up(0);
  EXPECT_THAT(run.appended<record::Reserve>(), SizeIs(0));
  run.step(run.result_of(0));
  EXPECT_THAT(run.appended<record::Reserve>(), ElementsAre(record::Reserve{Attempt{9}}));
}

TEST(Coordinator, RefusesAPolicyThatLeasesWhatItMayNot) {
  struct Wrong final : Policy {
    std::optional<Choice> next(const ScheduleView&) const override { return Choice{{}, WorkerId{0}, PartitionId{1}}; }
  };
  Coordinator coordinator(kOneWorker, grid(1), std::make_unique<Wrong>());
  coordinator.step(event::Started{}, Time{});
  coordinator.step(event::WorkerUp{peer(0), {}}, Time{});
  EXPECT_THROW(coordinator.step(event::Synced{3}, Time{}), Error);
}

// ---- the end --------------------------------------------------------------------------------------------------------

TEST(Coordinator, CollectsTheFinalStateOnceAndFinishesWhenThatIsDurable) {
  Drive run({1, 1, 1, Order::Fixed});
  run.up(0);
  run.step(run.result_of(0));
  run.sync();
  const auto collect = run.all<action::SendCollect>();
  ASSERT_THAT(collect, SizeIs(1));
  EXPECT_EQ(collect[0].version, Version{1});
  EXPECT_EQ(collect[0].digest, (Digest{1, 1}));
  run.step(event::Timer{});
  EXPECT_THAT(run.all<action::SendCollect>(), IsEmpty());  // one is on its way
  run.step(event::Collected{peer(0), ModelId{0}, StateFile::Last, 1000, "abc"});
  run.step(event::Collected{peer(0), ModelId{0}, StateFile::Last, 1000, "abc"});
  EXPECT_THAT(run.actions, IsEmpty());
  run.sync();
  EXPECT_THAT(run.all<action::Release>(), SizeIs(1));
  ASSERT_THAT(run.all<action::Finish>(), SizeIs(1));
  EXPECT_EQ(run.all<action::Finish>()[0].outcome, Outcome::Completed);
  EXPECT_EQ(run.model(0).file->sha256, "abc");
  run.step(event::Timer{});
  EXPECT_THAT(run.actions, IsEmpty());
}

TEST(Coordinator, CollectsAgainWhenThatFailedOrTheHolderDied) {
  Drive run({1, 1, 1, Order::Fixed});
  run.up(0);
  const HeldState held = run.held_of(0);
  run.train(0);
  run.step(event::CollectFailed{peer(0), ModelId{0}, "refused"});
  EXPECT_THAT(run.all<action::SendCollect>(), IsEmpty());
  run.now = milliseconds(100);
  run.step(event::Timer{});
  EXPECT_THAT(run.all<action::SendCollect>(), SizeIs(1));
  run.down(0);
  run.up(0, 2, {held});
  ASSERT_THAT(run.all<action::SendCollect>(), SizeIs(1));
  EXPECT_EQ(run.all<action::SendCollect>()[0].peer, peer(0, 2));
}

TEST(Coordinator, StopsAfterTheUnitsInFlightAndGivesTheOthersBack) {
  Drive run(kOneWorker, 2);
  run.up(0);
  const Lease waiting = run.lease(1);
  run.step(event::StopRequested{});
  const auto cancelled = run.all<action::CancelLease>();
  ASSERT_THAT(cancelled, SizeIs(1));
  EXPECT_EQ(cancelled[0].attempt, waiting.attempt);
  run.fail(1, Failure::Cancelled);
  EXPECT_THAT(run.actions, IsEmpty());
  run.step(run.result_of(0));
  EXPECT_THAT(run.all<action::SendLease>(), IsEmpty());
  run.sync();
  ASSERT_THAT(run.all<action::Finish>(), SizeIs(1));
  EXPECT_EQ(run.all<action::Finish>()[0].outcome, Outcome::Interrupted);
  EXPECT_EQ(run.model(0).version, Version{1});
}

TEST(Coordinator, StopsAtOnceWhenNothingIsInFlight) {
  Drive run(kOneWorker);
  run.step(event::StopRequested{});
  EXPECT_THAT(run.all<action::Finish>(), SizeIs(1));
}

// ---- resume ---------------------------------------------------------------------------------------------------------

TEST(Coordinator, GoesOnFromItsJournalAndNeverUsesAnAttemptAgain) {
  Drive run(kOneWorker, 1, {}, {.attempt_block = 8});
  run.up(0);
  const HeldState held = run.held_of(0);
  run.train(0);
  const Attempt used = run.lease(0).attempt;
  run.crash();
  EXPECT_EQ(run.model(0).version, Version{1});
  run.up(0, 1, {held});
  EXPECT_EQ(run.lease(0).unit, Unit{1});
  EXPECT_GT(run.lease(0).attempt, used);
}

TEST(Coordinator, TakesUpTheResultWhoseCommitWasLostInACrash) {
  Drive run(kOneWorker);
  run.up(0);
  const HeldState held = run.held_of(0);
  run.step(run.result_of(0));
  run.crash();
  EXPECT_EQ(run.model(0).version, Version{0});
  run.up(0, 1, {held});
  run.sync();
  EXPECT_EQ(run.model(0).version, Version{1});
  EXPECT_EQ(run.model(0).visits[0].attempt, held.attempt);
}

TEST(Coordinator, FinishesARunThatWasFinishedAtOnce) {
  Drive run({1, 1, 1, Order::Fixed});
  run.up(0);
  run.train(0);
  run.step(event::Collected{peer(0), ModelId{0}, StateFile::Last, 1, "x"});
  run.sync();
  run.crash();
  EXPECT_THAT(run.all<action::Finish>(), SizeIs(1));
}

}  // namespace
}  // namespace hop::hopper
