// Workers die, come back, and bring states with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/hopper/coordinator_driver.h"

namespace hop::hopper {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// ---- workers come and go --------------------------------------------------------------------------------------------

TEST(Coordinator, LeasesAnewWhenAWorkerDied) {
  Drive run(kOneWorker, 2);
  run.up(0);
  const Lease before = run.lease(0);
  run.down(0);
  EXPECT_FALSE(run.leased(0));
  run.up(0, 2);
  EXPECT_GT(run.lease(0).attempt, before.attempt);
  EXPECT_EQ(run.lease(0).unit, before.unit);
}

TEST(Coordinator, WritesDownWhatAWorkersBitsDependOnWhereItIsNew) {
  Drive run(kOneWorker);
  const auto up = [&](std::uint32_t life, const std::string& arithmetic) {
    run.step(event::WorkerUp{peer(0, life), {}, arithmetic});
    const auto written = run.appended<record::Arithmetic>();
    run.sync();
    return written;
  };
  EXPECT_THAT(up(1, "v4"), ElementsAre(record::Arithmetic{WorkerId{0}, "v4"}));
  EXPECT_THAT(up(2, "v4"), IsEmpty());
  EXPECT_THAT(up(3, "v3"), ElementsAre(record::Arithmetic{WorkerId{0}, "v3"}));
  EXPECT_THAT(up(4, ""), IsEmpty());
  run.crash();
  EXPECT_THAT(up(1, "v3"), IsEmpty()) << "the journal knows";
}

TEST(Coordinator, FencesTheOldLifeWhenANewOneSaysHello) {
  Drive run(kOneWorker);
  run.up(0);
  const event::Result late = run.result_of(0);
  run.up(0, 2);  // before anybody noticed a death
  EXPECT_EQ(run.holder(0), peer(0, 2));
  run.step(late);
  EXPECT_EQ(run.all<action::Answer>().at(0).verdict, Verdict::Stale);
  run.down(0, 1);  // the late news of the old life
  EXPECT_TRUE(run.leased(0));
  run.up(0, 1);  // and its late hello
  EXPECT_EQ(run.holder(0), peer(0, 2));
}

TEST(Coordinator, AdoptsAUnitThatWasDoneAndNeverAnnounced) {
  Drive run(kOneWorker);
  run.up(0);
  const HeldState held = run.held_of(0);
  run.down(0);
  run.up(0, 2, {held});
  const auto commits = run.appended<record::Commit>();
  ASSERT_THAT(commits, SizeIs(1));
  EXPECT_EQ(commits[0].attempt, held.attempt);
  EXPECT_EQ(commits[0].digest, held.digest);
  EXPECT_THAT(run.all<action::SendLease>(), IsEmpty());
  run.sync();
  EXPECT_EQ(run.model(0).version, Version{1});
  EXPECT_EQ(run.all<action::Answer>().at(0).peer, peer(0, 2));
}

TEST(Coordinator, AdoptsNothingThatIsNotDue) {
  for (const int what : {0, 1, 2, 3, 4}) {
    Drive run(kTwoWorkers);
    run.up(0);
    HeldState held = run.held_of(0);
    run.down(0);
    if (what == 0) held.parent = {5, 5};
    if (what == 1) held.version = Version{2};
    if (what == 2) held.partition = PartitionId{1};
    if (what == 3) held.attempt = Attempt{5000};  // never handed out
    if (what == 4) held.model = ModelId{3};
    run.up(0, 2, {held});
    EXPECT_THAT(run.appended<record::Commit>(), IsEmpty()) << what;
    const auto released = run.all<action::Release>();
    ASSERT_THAT(released, SizeIs(1)) << what;
    EXPECT_EQ(released[0].attempt, held.attempt);
  }
}

TEST(Coordinator, LetsAnotherWorkerTrainInFreeOrderAndRefusesTheLateState) {
  Drive run({2, 2, 1, Order::Free}, 1);
  run.up(0);
  const HeldState held = run.held_of(0);
  run.up(1);
  run.down(0);
  EXPECT_EQ(run.holder(0), peer(1));
  run.up(0, 2, {held});
  EXPECT_THAT(run.appended<record::Commit>(), IsEmpty());
  EXPECT_THAT(run.all<action::Release>(), SizeIs(1));
  EXPECT_EQ(run.holder(0), peer(1));
}

TEST(Coordinator, WaitsForTheHolderOfAState) {
  Drive run(kTwoWorkers);
  run.up(0);
  const HeldState held = run.held_of(0);
  run.train(0);
  EXPECT_FALSE(run.leased(0));  // its next partition is worker 1's
  run.down(0);
  run.up(1);
  EXPECT_FALSE(run.leased(0));
  run.up(0, 2, {held});
  EXPECT_THAT(run.all<action::Release>(), IsEmpty());
  EXPECT_EQ(run.holder(0), peer(1));
}

TEST(Coordinator, ReleasesWhatAReturningWorkerNoLongerNeeds) {
  Drive run(kTwoWorkers);
  run.up(0);
  run.up(1);
  const HeldState old = run.held_of(0);
  run.train(0);
  run.down(0);
  run.train(0);  // on worker 1, which had fetched it in time
  EXPECT_THAT(run.all<action::Release>(), IsEmpty());
  run.up(0, 2, {old});
  EXPECT_THAT(run.all<action::Release>(), SizeIs(1));
}

TEST(Coordinator, AnswersTheNewLifeWhenTheOldOneDiedBeforeTheSync) {
  Drive run(kOneWorker);
  run.up(0);
  const HeldState held = run.held_of(0);
  run.step(run.result_of(0));
  run.up(0, 2, {held});
  EXPECT_THAT(run.all<action::Release>(), IsEmpty());
  run.sync();
  EXPECT_EQ(run.all<action::Answer>().at(0).peer, peer(0, 2));
}

}  // namespace
}  // namespace hop::hopper
