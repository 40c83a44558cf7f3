// The lines that people read while a run goes on: each test tells the narrator a story and judges its words.
#include "hopper/detail/narrator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hopper/strategy/task_parallel.h"

namespace hop::hopper {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class NarratorTest : public testing::Test {
 protected:
  static constexpr WorkerId kWorker{1};

  static Lease unit() {
    Lease lease;
    lease.model = ModelId(3);
    lease.unit = Unit{4};
    lease.epoch = Epoch{1};
    lease.partition = PartitionId(2);
    lease.attempt = Attempt(9);
    return lease;
  }
  Narrator::Lines tell(const Action& action, int process = 0) { return narrator_.tell(action, ledger_, process); }
  Narrator::Lines tell(Record record, int process = 0) {
    return tell(Action(action::Append{1, std::move(record)}), process);
  }
  static record::Commit commit() {
    record::Commit c;
    c.model = ModelId(3);
    c.unit = Unit{4};
    c.worker = kWorker;
    return c;
  }
  void lose_in_unit(std::string why = "killed by signal 9") { narrator_.lost(kWorker, {std::move(why), true, unit()}); }

  // A ledger with four models.
  static Ledger begun() {
    Ledger ledger(Itinerary{3, 2, 2, Order::Fixed});
    for (std::uint32_t id = 0; id < 4; ++id) ledger.apply(record::Asked{.model = ModelId(id), .epochs = 2});
    ledger.apply(record::Ticked{0, 4});
    return ledger;
  }

  Ledger ledger_ = begun();
  Narrator narrator_{2};
};

TEST_F(NarratorTest, TellsWhoWasLostInTheMiddleOfWhichUnitAndWhoRedoesIt) {
  lose_in_unit();
  EXPECT_THAT(narrator_.ended(kWorker, "killed by signal 9", false),
              ElementsAre("worker 1 was lost in the middle of model 3's unit of epoch 2 on partition 2: killed by "
                          "signal 9"));
  EXPECT_TRUE(narrator_.lost_a_unit(kWorker));
  const Action redo = action::SendLease{{kWorker, Incarnation(2)}, unit()};
  EXPECT_EQ(Narrator::subject(redo), kWorker);
  EXPECT_THAT(tell(redo, 77), ElementsAre("worker 1, started again (process 77), redoes model 3's unit of epoch 2 on "
                                          "partition 2"));
  EXPECT_FALSE(narrator_.lost_a_unit(kWorker));
  EXPECT_THAT(tell(redo, 77), IsEmpty()) << "its fate is told once";
}

TEST_F(NarratorTest, TellsThatTheResultOfALostUnitWasFound) {
  lose_in_unit();
  narrator_.ended(kWorker, "killed by signal 9", false);
  EXPECT_THAT(tell(Record(commit())),
              ElementsAre("worker 1, started again, still had the result of model 3's unit of epoch 2 on partition 2"));
}

TEST_F(NarratorTest, SaysNothingOfOtherUnits) {
  lose_in_unit();
  Lease other = unit();
  other.unit = Unit{5};
  EXPECT_THAT(tell(Action(action::SendLease{{kWorker, Incarnation(2)}, other})), IsEmpty());
  other = unit();
  EXPECT_THAT(tell(Action(action::SendLease{{WorkerId(0), Incarnation(1)}, other})), IsEmpty());
  EXPECT_THAT(tell(Record(record::Reserve{Attempt(64)})), IsEmpty());
}

TEST_F(NarratorTest, TellsWhoTakesAUnitOverThatAnyWorkerMayTrain) {
  ledger_ = Ledger(Itinerary{3, 2, 2, Order::Fixed, task_parallel()});
  const Action other = action::SendLease{{WorkerId(0), Incarnation(1)}, unit()};
  const std::string takeover = "worker 0 redoes model 3's unit of epoch 2 on partition 2, which worker 1 had in hand";
  lose_in_unit();
  EXPECT_THAT(tell(other), IsEmpty()) << "the loss comes first";
  EXPECT_TRUE(narrator_.lost_a_unit(kWorker));
  EXPECT_THAT(narrator_.ended(kWorker, "killed by signal 9", false),
              ElementsAre("worker 1 was lost in the middle of model 3's unit of epoch 2 on partition 2: killed by "
                          "signal 9",
                          takeover));
  EXPECT_FALSE(narrator_.lost_a_unit(kWorker));
  lose_in_unit();
  narrator_.ended(kWorker, "killed by signal 9", false);
  EXPECT_THAT(tell(other), ElementsAre(takeover));
  EXPECT_FALSE(narrator_.lost_a_unit(kWorker));
  EXPECT_THAT(tell(other), IsEmpty()) << "it is told once";
}

TEST_F(NarratorTest, TellsHowALossBeganIfItBeganAsSomethingElse) {
  narrator_.lost(kWorker, {"silent for 2.5 s", true, std::nullopt});
  EXPECT_THAT(narrator_.ended(kWorker, "killed by signal 9", false),
              ElementsAre("worker 1 was lost between two units: killed by signal 9 (silent for 2.5 s)"));
  narrator_.lost(kWorker, {"ended", false, std::nullopt});
  EXPECT_THAT(narrator_.ended(kWorker, "ended", false), ElementsAre("worker 1 was lost before it was ready: ended"));
}

TEST_F(NarratorTest, TellsOfAWorkerThatWasAskedToEndThatItHasLeft) {
  narrator_.lost(kWorker, {"the connection ended", true, std::nullopt});
  EXPECT_THAT(narrator_.left(kWorker, true, ledger_, false),
              ElementsAre("worker 1 has left; the run waits for another one with partitions 2"));
  lose_in_unit("silent for 2.5 s");
  EXPECT_THAT(
      narrator_.left(kWorker, false, ledger_, false),
      ElementsAre("worker 1 has left in the middle of model 3's unit of epoch 2 on partition 2 before its states "
                  "were handed over (silent for 2.5 s); the run waits for another one with partitions 2"));
  EXPECT_TRUE(narrator_.lost_a_unit(kWorker)) << "the fate of the unit is told later";
  lose_in_unit();
  EXPECT_THAT(narrator_.left(kWorker, true, ledger_, true), IsEmpty()) << "the run is over";
}

TEST_F(NarratorTest, TellsWhoTakesOverAUnitOfAWorkerThatHasLeft) {
  ledger_ = Ledger(Itinerary{3, 2, 2, Order::Fixed, task_parallel()});
  lose_in_unit();
  EXPECT_THAT(tell(Action(action::SendLease{{WorkerId(0), Incarnation(1)}, unit()})), IsEmpty());
  EXPECT_THAT(
      narrator_.left(kWorker, true, ledger_, false),
      ElementsAre("worker 1 has left in the middle of model 3's unit of epoch 2 on partition 2; the others go on",
                  "worker 0 redoes model 3's unit of epoch 2 on partition 2, which worker 1 had in hand"));
}

TEST_F(NarratorTest, TellsALossBeforeTheModelThatItSetsAside) {
  lose_in_unit();
  EXPECT_THAT(tell(Record(record::Quarantine{ModelId(3), "it crashed"})), IsEmpty()) << "the loss comes first";
  EXPECT_THAT(narrator_.ended(kWorker, "killed by signal 11", false),
              ElementsAre("worker 1 was lost in the middle of model 3's unit of epoch 2 on partition 2: killed by "
                          "signal 11 (killed by signal 9)",
                          "model 3 is set aside: it crashed"));
  EXPECT_FALSE(narrator_.lost_a_unit(kWorker)) << "nobody takes the unit over";
}

TEST_F(NarratorTest, TellsAtOnceThatAModelIsSetAsideWhoseWorkersLive) {
  EXPECT_THAT(tell(Record(record::Quarantine{ModelId(3), "it threw"})), ElementsAre("model 3 is set aside: it threw"));
  lose_in_unit();
  narrator_.ended(kWorker, "killed by signal 9", false);
  EXPECT_THAT(tell(Record(record::Quarantine{ModelId(3), "it threw"})), ElementsAre("model 3 is set aside: it threw"));
  EXPECT_FALSE(narrator_.lost_a_unit(kWorker));
}

TEST_F(NarratorTest, TellsAfterTheEndOfARunOnlyAStoryThatWaited) {
  lose_in_unit();
  EXPECT_THAT(narrator_.ended(kWorker, "exit code 0", true), IsEmpty());
  lose_in_unit();
  tell(Record(record::Quarantine{ModelId(3), "it crashed"}));
  EXPECT_EQ(narrator_.ended(kWorker, "killed by signal 11", true).size(), 2U);
}

TEST_F(NarratorTest, TellsHowFarAModelGoesBack) {
  record::Commit first;
  first.model = ModelId(0);
  first.partition = ledger_.model(ModelId(0)).candidates.at(0);
  first.worker = *ledger_.itinerary().only_worker(first.partition);
  first.attempt = Attempt(1);
  first.digest = {1, 1};
  ledger_.apply(record::Reserve{Attempt(64)});
  ledger_.apply(first);
  EXPECT_THAT(tell(Record(record::Rollback{ModelId(0), Version(0), std::nullopt, {}, "the disk is new"})),
              ElementsAre("model 0: the disk is new; 1 unit is trained again, from its initial state"));
}

TEST_F(NarratorTest, TellsThatAModelGoesOnFromItsCopy) {
  EXPECT_THAT(tell(Record(record::Moved{ModelId(0), Version(1), WorkerId(2), Attempt(9), "worker 1 is away"})),
              ElementsAre("model 0: worker 1 is away; it goes on from its copy on worker 2"));
}

TEST_F(NarratorTest, WarnsOnceThatTheArithmeticChanged) {
  EXPECT_THAT(tell(Record(record::Arithmetic{kWorker, "avx2"})), IsEmpty()) << "the first one is no change";
  ledger_.apply(record::Arithmetic{kWorker, "avx2"});
  EXPECT_THAT(tell(Record(record::Arithmetic{kWorker, "avx512"})),
              ElementsAre("warning: worker 1 computes with avx512, and before with avx2: bits may differ from those of "
                          "a run that went through (arithmetic_changes in results.json)"));
  EXPECT_THAT(tell(Record(record::Arithmetic{kWorker, "avx512"})), IsEmpty());
}

TEST_F(NarratorTest, TellsThatAModelTrainsOn) {
  EXPECT_THAT(tell(Record(record::Retry{ModelId(2)})), ElementsAre("model 2 trains on: it is no longer set aside"));
}

TEST_F(NarratorTest, TellsOfStatesThatCannotBeReadAndOfNoOtherFailure) {
  event::UnitFailed failed;
  failed.model = ModelId(2);
  failed.text = "too many open files";
  failed.failure = Failure::StateDamaged;
  const std::string line = "model 2: its state could not be read and is asked for again: too many open files";
  EXPECT_THAT(narrator_.hear(failed), ElementsAre(line));
  EXPECT_THAT(narrator_.hear(event::CollectFailed{{}, ModelId(2), "too many open files", Failure::StateDamaged}),
              ElementsAre(line));
  failed.failure = Failure::Error;
  EXPECT_THAT(narrator_.hear(failed), IsEmpty());
  EXPECT_THAT(narrator_.hear(event::Timer{}), IsEmpty());
}

TEST_F(NarratorTest, TellsWhoWaitsNoLongerForAStateOfAWorkerThatIsGone) {
  event::UnitFailed failed{{WorkerId(4), Incarnation(1)}, ModelId(2), Unit{3}, Attempt(9)};
  failed.failure = Failure::SourceGone;
  failed.text = "the worker that has it is gone, and no byte of it comes";
  EXPECT_THAT(narrator_.hear(failed),
              ElementsAre("worker 4 stops waiting for the state of model 2: the worker that has "
                          "it is gone, and no byte of it comes"));
  failed.failure = Failure::Cancelled;
  EXPECT_THAT(narrator_.hear(failed), IsEmpty());
}

}  // namespace
}  // namespace hop::hopper
