// States are lost and their units are trained again; models fail and are brought back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/hopper/coordinator_driver.h"

namespace hop::hopper {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Two workers, and a model whose first unit is worker 0's and whose second one is worker 1's.
class Losses : public testing::Test {
 protected:
  Losses() {
    run.up(0);
    run.up(1);
  }
  HeldState train_and_hold() {
    HeldState held = run.held_of(0);
    run.train(0);
    return held;
  }
  Drive run{kTwoWorkers};
};

TEST_F(Losses, RollAModelBackToItsInitialStateWhereNothingIsLeft) {
  train_and_hold();
  run.down(1);  // its lease ends with it
  run.up(0, 2, {});
  const auto rolled = run.appended<record::Rollback>();
  ASSERT_THAT(rolled, SizeIs(1));
  EXPECT_EQ(rolled[0].version, Version{0});
  EXPECT_EQ(rolled[0].worker, std::nullopt);
  EXPECT_EQ(rolled[0].reason, "version 1 is gone from worker 0");
  EXPECT_FALSE(run.leased(0)) << "not before that is durable";
  run.sync();
  EXPECT_EQ(run.model(0).version, Version{0});
  EXPECT_EQ(run.model(0).status, Status::Running);
  EXPECT_EQ(run.lease(0).unit, Unit{0});
  EXPECT_EQ(run.holder(0), peer(0, 2));
}

// With an asynchronous server the unit has the digest of its commit only if gradients are applied in the same order.
TEST_F(Losses, AreTrainedAgainInTheOrderOfTheirGradients) {
  event::Result result = run.result_of(0);
  result.metrics.arrivals = {0, 0, 0};
  EXPECT_THAT(run.lease(0).arrivals, IsEmpty()) << "gradients are applied as they come";
  run.step(result);
  run.sync();
  EXPECT_THAT(run.lease(0).arrivals, IsEmpty()) << "of the next unit";
  run.down(1);
  run.up(0, 2, {});
  run.sync();
  ASSERT_EQ(run.lease(0).unit, Unit{0});
  EXPECT_THAT(run.lease(0).arrivals, ElementsAre(0, 0, 0));
}

TEST_F(Losses, AreMadeGoodByTheLeaseThatIsOnItsWay) {
  train_and_hold();
  ASSERT_EQ(run.holder(0), peer(1)) << "which may have fetched the state already";
  run.up(0, 2, {});
  EXPECT_THAT(run.appended<record::Rollback>(), IsEmpty());
  EXPECT_THAT(run.appended<record::Quarantine>(), IsEmpty());
  run.train(0);
  EXPECT_EQ(run.model(0).version, Version{2});
  EXPECT_EQ(run.model(0).holder, WorkerId{1});
}

TEST_F(Losses, WaitForTheFailureOfTheLeaseThatIsOnItsWay) {
  train_and_hold();
  run.up(0, 2, {});
  run.fail(0, Failure::SourceUnreachable, "no answer");
  EXPECT_THAT(run.appended<record::Rollback>(), SizeIs(1));
}

// The machine of worker 0 was unplugged: the connection of the reader stays, and nothing comes. Another node takes the
// place.
TEST_F(Losses, AreToldToWhoeverWaitsForTheStateWhenAnotherNodeTakesThePlace) {
  train_and_hold();
  ASSERT_EQ(run.lease(0).source, WorkerId{0});
  const Attempt waiting = run.lease(0).attempt;
  run.down(0);
  EXPECT_THAT(run.all<action::SourceGone>(), IsEmpty()) << "the state may still arrive";
  run.up(0, 2, {});
  const auto told = run.all<action::SourceGone>();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].peer, peer(1));
  EXPECT_EQ(told[0].attempt, waiting);
  EXPECT_THAT(run.appended<record::Rollback>(), IsEmpty()) << "the state may have arrived";
  run.fail(0, Failure::SourceGone, "the worker that has it is gone");
  EXPECT_THAT(run.appended<record::Rollback>(), SizeIs(1)) << "at once, and without a pause";
  run.sync();
  EXPECT_EQ(run.holder(0), peer(0, 2));
}

TEST_F(Losses, DidNotHappenWhereTheNextLifeStillHasTheState) {
  const HeldState held = train_and_hold();
  run.down(0);
  run.up(0, 2, {held});
  ASSERT_THAT(run.all<action::SourceGone>(), SizeIs(1));
  run.fail(0, Failure::SourceGone, "the worker that has it is gone");
  EXPECT_THAT(run.appended<record::Rollback>(), IsEmpty());
  EXPECT_EQ(run.holder(0), peer(1));
  EXPECT_EQ(run.lease(0).source, WorkerId{0});
  EXPECT_THAT(run.all<action::SourceGone>(), IsEmpty()) << "this life is there";
}

TEST_F(Losses, WaitForTheEndOfTheWorkerThatHasTheLease) {
  train_and_hold();
  run.up(0, 2, {});
  run.down(1);
  EXPECT_THAT(run.appended<record::Rollback>(), SizeIs(1));
}

TEST_F(Losses, BeforeACommitIsDurableRollBackWhenItIs) {
  run.step(run.result_of(0));
  run.up(0, 2, {});
  EXPECT_THAT(run.appended<record::Rollback>(), IsEmpty());
  run.sync();
  const auto rolled = run.appended<record::Rollback>();
  ASSERT_THAT(rolled, SizeIs(1));
  EXPECT_EQ(rolled[0].version, Version{0});
}

TEST_F(Losses, RollBackToTheNewestVersionThatIsLeft) {
  const HeldState first = train_and_hold();
  run.down(0);  // with version 1, which is not released then
  run.train(0);
  run.down(1);
  run.up(0, 2, {first});
  EXPECT_THAT(run.all<action::Release>(), IsEmpty()) << "nobody knows yet whether version 2 is still there";
  run.up(1, 2, {});
  EXPECT_THAT(run.appended<record::Rollback>(),
              ElementsAre(record::Rollback{ModelId{0}, Version{1}, WorkerId{0}, first.attempt,
                                           "version 2 is gone from worker 1"}));
  run.sync();
  EXPECT_EQ(run.model(0).version, Version{1});
  EXPECT_EQ(run.lease(0).unit, Unit{1});
  EXPECT_EQ(run.lease(0).source, WorkerId{0});
}

TEST_F(Losses, ThatDidNotHappenReleaseTheOlderVersions) {
  const HeldState first = train_and_hold();
  run.down(0);
  const HeldState second = train_and_hold();
  run.down(1);
  run.up(0, 2, {first});
  run.up(1, 2, {second});
  const auto released = run.all<action::Release>();
  ASSERT_THAT(released, SizeIs(1));
  EXPECT_EQ(released[0].peer, peer(0, 2));
  EXPECT_EQ(released[0].attempt, first.attempt);
  EXPECT_THAT(run.appended<record::Rollback>(), IsEmpty());
}

TEST_F(Losses, AreJudgedWhenAllWorkersWereHeardOf) {
  const HeldState first = train_and_hold();
  run.down(0);
  run.train(0);
  run.crash();
  run.up(1, 2, {});
  EXPECT_THAT(run.appended<record::Rollback>(), IsEmpty()) << "worker 0 may bring an older version";
  run.up(0, 2, {first});
  ASSERT_THAT(run.appended<record::Rollback>(), SizeIs(1));
  EXPECT_EQ(run.appended<record::Rollback>()[0].version, Version{1});
}

TEST_F(Losses, AreMadeGoodByANewerStateThatNobodyKnewOf) {
  train_and_hold();
  const HeldState second = run.held_of(0);
  run.crash();
  run.up(0, 2, {});
  run.up(1, 2, {second});
  EXPECT_THAT(run.appended<record::Commit>(), SizeIs(1));
  EXPECT_THAT(run.appended<record::Rollback>(), IsEmpty());
  run.sync();
  EXPECT_EQ(run.model(0).version, Version{2});
}

TEST_F(Losses, ThatAreFoundInUseCountAsAnyOther) {
  train_and_hold();
  run.fail(0, Failure::StateLost, "version 1 of model 0 is not here");
  const auto rolled = run.appended<record::Rollback>();
  ASSERT_THAT(rolled, SizeIs(1));
  EXPECT_EQ(rolled[0].reason, "version 1 of model 0 is not here");
}

TEST_F(Losses, AreBelievedOfStatesThatCannotBeReadForAWhile) {
  train_and_hold();
  for (int tries = 1; tries < 6; ++tries) {
    run.fail(0, Failure::StateDamaged, "Input/output error");
    ASSERT_THAT(run.appended<record::Rollback>(), IsEmpty()) << tries;
    run.now += seconds(5);
    run.step(event::Timer{});
  }
  run.fail(0, Failure::StateDamaged, "Input/output error");
  EXPECT_THAT(run.appended<record::Rollback>(), SizeIs(1));
}

TEST_F(Losses, OfAFinalStateAreTrainedAgain) {
  for (int unit = 0; unit < 4; ++unit) run.train(0);
  ASSERT_EQ(run.model(0).status, Status::Finished);
  const auto collect = run.all<action::SendCollect>();
  ASSERT_THAT(collect, SizeIs(1));
  run.step(event::CollectFailed{collect[0].peer, ModelId{0}, "not here", Failure::StateLost});
  ASSERT_THAT(run.appended<record::Rollback>(), SizeIs(1));
  run.sync();
  EXPECT_FALSE(run.coordinator().ledger().complete());
  for (Unit unit{0}; unit < Unit{4}; ++unit) {
    EXPECT_EQ(run.lease(0).unit, unit);
    run.train(0);
  }
  EXPECT_EQ(run.model(0).status, Status::Finished);
  EXPECT_EQ(run.coordinator().ledger().retrained(), 4U);
  EXPECT_THAT(run.all<action::SendCollect>(), SizeIs(1));
}

TEST_F(Losses, AreMadeGoodWithTheSameBitsOrNotAtAll) {
  train_and_hold();
  run.fail(0, Failure::StateLost);
  run.sync();
  for (int tries = 0; tries < 3; ++tries) {
    event::Result other = run.result_of(0);
    other.digest = {7, 7};
    run.step(other);
    EXPECT_EQ(run.all<action::Answer>().at(0).verdict, Verdict::Stale);
    EXPECT_THAT(run.appended<record::Commit>(), IsEmpty());
  }
  EXPECT_THAT(run.appended<record::Quarantine>(), SizeIs(1));
  run.sync();
  EXPECT_NE(run.model(0).reason.find("expected unit 0 to give"), std::string::npos) << run.model(0).reason;
}

TEST_F(Losses, KeepTheWayOfAFreeOrder) {
  Drive free({3, 1, 2, Order::Free});
  free.up(0);
  std::vector<PartitionId> way;
  for (int unit = 0; unit < 5; ++unit) {
    way.push_back(free.lease(0).partition);
    free.train(0);
  }
  free.up(0, 2, {});
  free.sync();
  for (int unit = 0; unit < 5; ++unit) {
    EXPECT_EQ(free.model(0).candidates, std::vector<PartitionId>{way[static_cast<std::size_t>(unit)]});
    EXPECT_EQ(free.lease(0).partition, way[static_cast<std::size_t>(unit)]);
    free.train(0);
  }
  EXPECT_THAT(free.model(0).candidates, SizeIs(1)) << "the partition that the second epoch still owes";
}

// A unit that ends its worker takes the states that lay there along: they are trained again, and it fails again.
TEST_F(Losses, ThatAUnitCausesAgainAndAgainSetItsModelAside) {
  for (std::uint32_t life = 1; life <= 3; ++life) {
    if (life > 1) {
      run.up(0, life, {});  // the spare is gone as well
      run.up(1, life, {});
      run.sync();
    }
    while (is_first(run.lease(0).unit)) run.train(0);  // on worker 0, whose state goes with the hop
    ASSERT_EQ(run.holder(0), peer(1, life));
    run.down(1, life);
    run.step(event::WorkerCrashed{peer(1, life), "killed by signal 11"});
  }
  ASSERT_THAT(run.appended<record::Quarantine>(), SizeIs(1));
  EXPECT_EQ(run.appended<record::Quarantine>()[0].reason, "unit 1 ended its worker 3 times (killed by signal 11)");
}

TEST_F(Losses, TellTheSearchNothingTwice) {
  Drive both(kTwoWorkers);
  both.up(0);
  both.up(1);
  both.train(0);
  both.train(0);
  both.sync();  // the end of the tick
  const std::vector<EpochMetrics> epochs = both.model(0).epochs;
  const std::uint32_t tick = both.coordinator().ledger().tick();
  both.fail(0, Failure::StateLost);
  both.sync();
  both.train(0);
  both.train(0);
  EXPECT_EQ(both.model(0).epochs, epochs);
  EXPECT_EQ(both.coordinator().ledger().tick(), tick);
  EXPECT_EQ(both.model(0).seconds, 2) << "units count once";
}

TEST(Coordinator, BringsAQuarantinedModelBack) {
  Drive run(kOneWorker);
  run.up(0);
  const HeldState held = run.held_of(0);
  run.train(0);
  for (int i = 0; i < 3; ++i) run.fail(0, Failure::Error, "threw");
  run.sync();
  ASSERT_EQ(run.model(0).status, Status::Quarantined);
  run.crash({{ModelId{0}}});  // the run has ended; `hop resume --retry`
  EXPECT_EQ(run.model(0).status, Status::Running);
  run.up(0, 2, {held});
  EXPECT_EQ(run.lease(0).unit, Unit{1});
  run.fail(0, Failure::Error, "threw once");
  EXPECT_TRUE(run.leased(0)) << "earlier failures are forgiven";
  run.crash({{ModelId{0}}});
  EXPECT_THAT(run.actions, IsEmpty()) << "it is not quarantined";
}

TEST(Coordinator, BringsAQuarantinedModelBackWhoseStatesAreGone) {
  Drive run(kOneWorker);
  run.up(0);
  run.train(0);
  for (int i = 0; i < 3; ++i) run.fail(0, Failure::Error, "threw");
  run.sync();
  run.crash({{ModelId{0}}});
  run.up(0, 2, {});
  EXPECT_THAT(run.appended<record::Rollback>(), SizeIs(1));
  run.sync();
  EXPECT_EQ(run.lease(0).unit, Unit{0});
}

}  // namespace
}  // namespace hop::hopper
