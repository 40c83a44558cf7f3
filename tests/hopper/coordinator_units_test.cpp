// The law of a unit, and what becomes of units that fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/hopper/coordinator_driver.h"

namespace hop::hopper {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::IsEmpty;
using testing::SizeIs;

// ---- RESULT and COMMIT ----------------------------------------------------------------------------------------------

TEST(Coordinator, LetsNothingHappenBeforeTheCommitIsDurable) {
  Drive run(kTwoWorkers);
  run.up(0);
  run.up(1);
  run.step(run.result_of(0));
  ASSERT_THAT(run.actions, SizeIs(1));
  EXPECT_THAT(run.appended<record::Commit>(), SizeIs(1));
  EXPECT_EQ(run.model(0).version, Version{0});
  run.sync();
  EXPECT_EQ(run.model(0).version, Version{1});
  EXPECT_EQ(run.all<action::Answer>().at(0).verdict, Verdict::Committed);
  EXPECT_THAT(run.all<action::SendLease>(), SizeIs(1));
}

TEST(Coordinator, ReleasesAStateWhenItsSuccessorIsDurable) {
  Drive run(kTwoWorkers);
  run.up(0);
  run.up(1);
  const Attempt first = run.lease(0).attempt;
  run.train(0);
  EXPECT_THAT(run.all<action::Release>(), IsEmpty());
  run.step(run.result_of(0));
  EXPECT_THAT(run.all<action::Release>(), IsEmpty());
  run.sync();
  const auto released = run.all<action::Release>();
  ASSERT_THAT(released, SizeIs(1));
  EXPECT_EQ(released[0].peer, peer(0));
  EXPECT_EQ(released[0].version, Version{1});
  EXPECT_EQ(released[0].attempt, first);
}

TEST(Coordinator, CommitsInGroups) {
  Drive run(kOneWorker, 2);
  run.up(0);
  run.step(run.result_of(0));
  run.step(run.result_of(1));
  run.sync();
  EXPECT_THAT(run.all<action::Answer>(), SizeIs(2));
  EXPECT_EQ(run.model(0).version.value + run.model(1).version.value, 2U);
}

TEST(Coordinator, RejectsAResultWhoseLeaseHasExpired) {
  Drive run(kOneWorker);
  run.up(0);
  const event::Result late = run.result_of(0);
  run.down(0);
  run.step(late);
  EXPECT_EQ(run.all<action::Answer>().at(0).verdict, Verdict::Stale);
  run.up(0, 2);
  run.step(late);  // and when the unit is leased again
  EXPECT_EQ(run.all<action::Answer>().at(0).verdict, Verdict::Stale);
  EXPECT_THAT(run.appended<record::Commit>(), IsEmpty());
  EXPECT_NE(run.lease(0).attempt, late.attempt);
}

TEST(Coordinator, RejectsAResultOfAnotherAttemptUnitOrModel) {
  Drive run(kOneWorker);
  run.up(0);
  for (const int what : {0, 1, 2, 3}) {
    event::Result wrong = run.result_of(0);
    if (what == 0) wrong.attempt = Attempt{99};
    if (what == 1) wrong.unit = Unit{1};
    if (what == 2) wrong.model = ModelId{7};
    if (what == 3) wrong.peer = peer(0, 2);
    run.step(wrong);
    EXPECT_EQ(run.all<action::Answer>().at(0).verdict, Verdict::Stale) << what;
  }
  EXPECT_TRUE(run.leased(0));
}

TEST(Coordinator, AnswersARepeatedResultCommittedAndCountsItOnce) {
  Drive run(kOneWorker);
  run.up(0);
  const event::Result result = run.result_of(0);
  run.step(result);
  run.step(result);  // not yet durable: no answer
  EXPECT_THAT(run.actions, IsEmpty());
  run.sync();
  EXPECT_THAT(run.all<action::Answer>(), SizeIs(1));
  run.step(result);
  EXPECT_EQ(run.all<action::Answer>().at(0).verdict, Verdict::Committed);
  EXPECT_EQ(run.model(0).version, Version{1});
}

// ---- failures -------------------------------------------------------------------------------------------------------

TEST(Coordinator, QuarantinesAModelThatEndedItsWorkerThreeTimesAndNoOther) {
  Drive run(kOneWorker, 2);
  for (std::uint32_t life = 1; life <= 3; ++life) {
    run.now += seconds(10);
    run.up(0, life);
    ASSERT_EQ(run.coordinator().workers()[0].leases.front().model, ModelId{0});
    run.down(0, life);
    run.step(event::WorkerCrashed{peer(0, life), "killed by signal 11"});
    run.step(event::WorkerCrashed{peer(0, life), "killed by signal 11"});  // one death counts once
  }
  EXPECT_THAT(run.appended<record::Quarantine>(), IsEmpty()) << "the repeat";
  run.sync();
  EXPECT_EQ(run.model(0).status, Status::Quarantined);
  EXPECT_EQ(run.model(0).reason, "unit 0 ended its worker 3 times (killed by signal 11)");
  run.up(0, 4);
  EXPECT_FALSE(run.leased(0));
  EXPECT_TRUE(run.leased(1));
}

TEST(Coordinator, HoldsNoLossOfAWorkerAgainstTheModelThatItTrained) {
  Drive run(kOneWorker, 2);
  for (std::uint32_t life = 1; life <= 100; ++life) {
    run.now += seconds(10);
    run.up(0, life);
    ASSERT_EQ(run.coordinator().workers()[0].leases.front().model, ModelId{0}) << life;
    run.down(0, life);  // killed from outside, silent, cut off
  }
  EXPECT_EQ(run.model(0).status, Status::Running);
}

// The unit itself may be the cause that its workers go away.
TEST(Coordinator, LetsOthersGoFirstWhereAUnitIsBrokenOffAgainAndAgain) {
  Drive run({2, 1, 2, Order::Fixed}, 2, {}, {.queue_depth = 1});
  for (std::uint32_t life = 1; life <= 2; ++life) {
    run.up(0, life);
    ASSERT_TRUE(run.leased(0));
    run.down(0, life);
  }
  run.up(0, 3);
  EXPECT_FALSE(run.leased(0));
  EXPECT_TRUE(run.leased(1));
  run.train(1);
  run.now += milliseconds(100);
  run.train(1);
  EXPECT_TRUE(run.leased(0));
}

TEST(Coordinator, ForgivesWhenTheUnitIsDoneAfterAll) {
  Drive run(kOneWorker);
  std::vector<HeldState> disk;
  for (std::uint32_t life = 1; life <= 4; ++life) {
    run.now += seconds(10);
    run.up(0, life, disk);
    if (life == 3) {
      disk = {run.held_of(0)};
      run.train(0);  // at the third try
    }
    run.down(0, life);  // and then it is another unit that loses its worker
    run.sync();
  }
  EXPECT_EQ(run.model(0).status, Status::Running);
  EXPECT_EQ(run.model(0).version, Version{1});
}

TEST(Coordinator, TriesAUnitThatThrewAgainAndThenQuarantinesWithItsText) {
  Drive run(kOneWorker);
  run.up(0);
  run.fail(0, Failure::Error, "[linear] expected 3 features, got 4");
  run.fail(0, Failure::OutOfMemory, "needs 12 GiB");
  EXPECT_TRUE(run.leased(0));
  run.fail(0, Failure::Error, "[linear] expected 3 features, got 4");
  EXPECT_FALSE(run.leased(0));
  run.sync();
  EXPECT_EQ(run.model(0).reason, "[linear] expected 3 features, got 4");
  run.sync();  // what the search decides at the end of the tick: nothing more
  EXPECT_THAT(run.all<action::Finish>(), SizeIs(1));
}

TEST(Coordinator, FetchesAgainAfterAWhileThatGrows) {
  Drive run(kTwoWorkers);
  run.up(0);
  run.up(1);
  run.train(0);
  run.fail(0, Failure::SourceUnreachable, "refused");
  EXPECT_FALSE(run.leased(0));
  EXPECT_EQ(run.all<action::SetTimer>().at(0).at, milliseconds(100));
  run.step(event::Timer{});
  EXPECT_FALSE(run.leased(0));  // too early
  run.now = milliseconds(100);
  run.step(event::Timer{});
  EXPECT_TRUE(run.leased(0));
  run.fail(0, Failure::SourceUnreachable, "refused");
  EXPECT_EQ(run.all<action::SetTimer>().at(0).at, milliseconds(300));
  for (int more = 0; more < 100; ++more) {  // a cut between two machines may last: no model is to blame for it
    run.now += seconds(7);
    run.step(event::Timer{});
    run.fail(0, Failure::SourceUnreachable, "refused");
    EXPECT_LE(run.all<action::SetTimer>().at(0).at, run.now + milliseconds(6400));
  }
  EXPECT_EQ(run.model(0).status, Status::Running);
  run.now += seconds(7);
  run.step(event::Timer{});
  EXPECT_TRUE(run.leased(0));
}

TEST(Coordinator, HoldsNoLackOfMemoryForAStateAgainstItsModel) {
  Drive run(kTwoWorkers);
  run.up(0);
  run.up(1);
  run.train(0);
  for (int tries = 0; tries < 10; ++tries) {
    run.fail(0, Failure::NoRoom, "no memory");
    EXPECT_FALSE(run.leased(0)) << "not at once";
    run.now += seconds(7);
    run.step(event::Timer{});
    ASSERT_TRUE(run.leased(0));
  }
  EXPECT_EQ(run.model(0).status, Status::Running);
  EXPECT_THAT(run.appended<record::Quarantine>(), IsEmpty());
}

TEST(Coordinator, DoesNotCountFetchesFromTheDead) {
  Drive run(kTwoWorkers);
  run.up(0);
  const HeldState held = run.held_of(0);
  run.up(1);
  run.train(0);
  run.down(0);
  run.fail(0, Failure::SourceUnreachable);
  EXPECT_EQ(run.model(0).status, Status::Running);
  run.up(0, 2, {held});
  EXPECT_TRUE(run.leased(0));
}

TEST(Coordinator, EndsAModelWhoseLossIsInfiniteAndGoesOnWithTheOthers) {
  Drive run(kOneWorker, 2);
  run.up(0);
  run.train(0, std::numeric_limits<double>::infinity());
  EXPECT_EQ(run.model(0).status, Status::Diverged);
  EXPECT_FALSE(run.leased(0));
  EXPECT_TRUE(run.leased(1));
  EXPECT_THAT(run.all<action::SendCollect>(), SizeIs(1));
}

}  // namespace
}  // namespace hop::hopper
