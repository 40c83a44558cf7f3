// The worker's law: each test is one event in one stage, and judges the actions that follow.
#include "hopper/worker/jobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace hop::hopper::worker {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The name of an action and the attempt that it is about.
struct Name {
  std::string operator()(const action::Offer& a) const { return "offer " + std::to_string(a.held.size()); }
  std::string operator()(const action::Prepare& a) const { return "prepare " + number(a.lease.attempt); }
  std::string operator()(const action::Fetch& a) const { return "fetch " + number(a.lease.attempt); }
  std::string operator()(const action::Read& a) const { return "read " + number(a.lease.attempt); }
  std::string operator()(const action::Train& a) const { return "train " + number(a.lease.attempt); }
  std::string operator()(const action::Drop& a) const { return "drop " + number(a.attempt); }
  std::string operator()(const action::Save& a) const { return "save " + number(a.state.attempt); }
  std::string operator()(const action::CopyAhead& a) const { return "copy " + number(a.state.attempt); }
  std::string operator()(const action::Delete& a) const { return "delete " + number(a.state.attempt); }
  std::string operator()(const action::Serve& a) const { return "serve " + number(a.state.attempt); }
  std::string operator()(const action::Refuse&) const { return "refuse"; }
  std::string operator()(const action::TellResult& a) const { return "result " + number(a.state.attempt); }
  std::string operator()(const action::TellFailed& a) const { return "failed " + number(a.lease.attempt); }
  std::string operator()(const action::End&) const { return "end"; }
  std::string operator()(const action::FetchCopy& a) const { return "fetch copy " + number(a.copy.attempt); }
  std::string operator()(const action::SaveCopy& a) const { return "save copy " + number(a.copy.attempt); }
  std::string operator()(const action::TellCopied& a) const { return "copied " + number(a.copy.attempt); }
  std::string operator()(const action::TellNotCopied& a) const { return "not copied " + number(a.copy.attempt); }
  std::string operator()(const action::Abandon& a) const { return "abandon " + number(a.attempt); }
  std::string operator()(const action::TellConfirmed& a) const { return "confirmed " + number(a.lease.attempt); }
  static std::string number(Attempt attempt) { return std::to_string(attempt.value); }
};

constexpr Digest kParent{1, 2}, kOther{3, 4}, kNew{5, 6};

class JobsTest : public testing::Test {
 protected:
  static HeldState held(std::uint32_t model, std::uint32_t version, std::uint32_t attempt, Digest digest = kParent) {
    return {ModelId(model), Version(version), PartitionId(0), Attempt(attempt), {}, digest, {}};
  }
  static event::Leased lease(std::uint32_t model, std::uint32_t unit, std::uint32_t attempt, std::string source = "") {
    Lease l;
    l.model = ModelId(model);
    l.unit = Unit(unit);
    l.partition = PartitionId(7);
    l.attempt = Attempt(attempt);
    if (unit > 0) l.parent = kParent;
    return {l, std::move(source)};
  }
  std::vector<std::string> step(const Event& event, Time now = {}) {
    last_ = jobs_.step(event, now);
    std::vector<std::string> names;
    for (const Action& action : last_) names.push_back(std::visit(Name{}, action));
    return names;
  }
  template <class A>
  const A& last() const {
    const auto found =
        std::find_if(last_.begin(), last_.end(), [](const Action& a) { return std::holds_alternative<A>(a); });
    if (found == last_.end()) throw std::out_of_range("no such action");
    return std::get<A>(*found);
  }
  Stage stage(std::uint32_t attempt) const { return jobs_.find(Attempt(attempt))->stage; }
  // A unit that trains: unit 0 of its model, under this attempt.
  void begin(std::uint32_t model, std::uint32_t attempt) {
    step(lease(model, 0, attempt));
    ASSERT_THAT(step(event::Prepared{Attempt(attempt)}), ElementsAre("train " + std::to_string(attempt)));
  }

  Jobs jobs_;
  std::vector<Action> last_;
};

TEST_F(JobsTest, WalkThroughAllStagesInTheirOrder) {
  EXPECT_THAT(step(event::Opened{}), ElementsAre("offer 0"));
  EXPECT_THAT(step(lease(0, 1, 5, "there")), ElementsAre("prepare 5"));
  EXPECT_EQ(stage(5), Stage::Ordered);
  EXPECT_THAT(step(event::Prepared{Attempt(5)}), ElementsAre("fetch 5"));
  EXPECT_EQ(last<action::Fetch>().source, "there");
  EXPECT_EQ(stage(5), Stage::Fetching);
  EXPECT_THAT(step(event::Arrived{Attempt(5), kParent}), ElementsAre("train 5"));
  EXPECT_EQ(stage(5), Stage::Training);
  UnitMetrics metrics;
  metrics.rows = 12;
  EXPECT_THAT(step(event::Trained{Attempt(5), metrics}), ElementsAre("save 5"));
  EXPECT_EQ(stage(5), Stage::Leaving);
  const HeldState saved = last<action::Save>().state;
  EXPECT_EQ(saved, (HeldState{ModelId(0), Version(2), PartitionId(7), Attempt(5), kParent, {}, metrics}));
  EXPECT_THAT(step(event::Saved{Attempt(5), kNew}), ElementsAre("result 5", "copy 5"));
  EXPECT_EQ(last<action::TellResult>().state,
            (HeldState{ModelId(0), Version(2), PartitionId(7), Attempt(5), kParent, kNew, metrics}));
  EXPECT_EQ(stage(5), Stage::Durable);
  EXPECT_THAT(step(event::Answered{ModelId(0), Unit(1), Attempt(5), Verdict::Committed}), IsEmpty());
  EXPECT_THAT(jobs_.jobs(), IsEmpty());
  EXPECT_TRUE(jobs_.holds({ModelId(0), Version(2), Attempt(5)}));
}

TEST_F(JobsTest, TrainTheUnitsInTheOrderOfTheirLeasesOneAtATime) {
  begin(0, 1);
  step(lease(1, 1, 2, "there"));
  step(lease(2, 0, 3));
  EXPECT_THAT(step(event::Prepared{Attempt(3)}), IsEmpty()) << "one trains, and another comes first";
  step(event::Prepared{Attempt(2)});
  EXPECT_THAT(step(event::Trained{Attempt(1), {}}), ElementsAre("save 1")) << "the next parent is still on its way";
  EXPECT_THAT(step(event::Arrived{Attempt(2), kParent}), ElementsAre("train 2"));
  EXPECT_THAT(step(event::Trained{Attempt(2), {}}), ElementsAre("save 2", "train 3"));
}

TEST_F(JobsTest, SortLeasesThatOvertookEachOther) {
  begin(0, 4);
  step(lease(1, 0, 9));
  step(lease(2, 0, 6));
  step(event::Prepared{Attempt(9)});
  step(event::Prepared{Attempt(6)});
  EXPECT_THAT(step(event::Trained{Attempt(4), {}}), ElementsAre("save 4", "train 6"));
}

TEST_F(JobsTest, TellTrainWhenTheLeaseCameAndTheWorkerWasFree) {
  step(lease(0, 0, 1), seconds(1));
  step(event::Prepared{Attempt(1)}, seconds(2));
  EXPECT_EQ(last<action::Train>().ordered, seconds(1));
  EXPECT_FALSE(last<action::Train>().free_since) << "no unit before it";
  step(event::Trained{Attempt(1), {}}, seconds(3));
  step(lease(1, 0, 2), seconds(4));
  step(event::Prepared{Attempt(2)}, seconds(5));
  EXPECT_EQ(last<action::Train>().ordered, seconds(4));
  EXPECT_EQ(last<action::Train>().free_since, seconds(3));
}

// ---- drifts between the worker and the simulator's, settled -----------------------------------------------------------

TEST_F(JobsTest, IgnoreAnAttemptThatWasSeenBeforeInThisLife) {
  begin(0, 1);
  EXPECT_THAT(step(lease(0, 0, 1)), IsEmpty()) << "while it trains";
  step(event::Trained{Attempt(1), {}});
  step(event::Saved{Attempt(1), kNew});
  step(event::Answered{ModelId(0), Unit(0), Attempt(1), Verdict::Committed});
  EXPECT_THAT(step(lease(0, 0, 1)), IsEmpty()) << "when it is over";
  step(lease(1, 0, 2));
  step(event::Cancelled{Attempt(2)});
  EXPECT_THAT(step(lease(1, 0, 2)), IsEmpty()) << "when it was given back";
  Jobs next_life;
  EXPECT_EQ(next_life.step(lease(0, 0, 1), {}).size(), 1U);
}

TEST_F(JobsTest, ReportAParentThatIsNotHereAsLostAndNotAsAFaultOfTheModel) {
  step(lease(0, 1, 1));
  EXPECT_THAT(step(event::Prepared{Attempt(1)}), ElementsAre("drop 1", "failed 1"));
  EXPECT_EQ(last<action::TellFailed>().failure, Failure::StateLost);
}

TEST_F(JobsTest, EndInTheMiddleOfAUnitWhenTheConnectionIsLost) {
  begin(0, 1);
  EXPECT_THAT(step(event::Broken{Trouble::Connection, "reset"}), ElementsAre("end"));
  EXPECT_TRUE(jobs_.ended());
  EXPECT_THAT(step(event::Trained{Attempt(1), {}}), IsEmpty());
  EXPECT_THAT(step(lease(1, 0, 2)), IsEmpty());
}

TEST_F(JobsTest, AnnounceNothingThatWasSavedAfterTheConnectionWasLost) {
  begin(0, 1);
  step(event::Trained{Attempt(1), {}});
  step(event::Broken{Trouble::Connection, "reset"});
  EXPECT_THAT(step(event::Saved{Attempt(1), kNew}), IsEmpty()) << "the next life offers it";
}

// ---- parents ----------------------------------------------------------------------------------------------------------

TEST_F(JobsTest, ReadAParentFromTheOwnDisk) {
  EXPECT_THAT(step(event::Opened{{held(0, 1, 3)}}), ElementsAre("offer 1"));
  step(lease(0, 1, 5));
  EXPECT_THAT(step(event::Prepared{Attempt(5)}), ElementsAre("read 5"));
  EXPECT_THAT(step(event::Arrived{Attempt(5), kParent}), ElementsAre("train 5"));
}

TEST_F(JobsTest, TrainOnNoParentWithAnotherDigest) {
  step(lease(0, 1, 1, "there"));
  step(event::Prepared{Attempt(1)});
  EXPECT_THAT(step(event::Arrived{Attempt(1), kOther}), ElementsAre("drop 1", "failed 1"));
  EXPECT_EQ(last<action::TellFailed>().failure, Failure::StateDamaged);
  EXPECT_THAT(last<action::TellFailed>().text, HasSubstr("the state from there is damaged"));
  step(event::Opened{{held(3, 1, 2, kOther)}});
  step(lease(3, 1, 4));
  EXPECT_THAT(step(event::Prepared{Attempt(4)}), ElementsAre("drop 4", "failed 4")) << "on the own disk";
  EXPECT_EQ(last<action::TellFailed>().failure, Failure::StateDamaged);
}

TEST_F(JobsTest, ForgetAParentThatTheDiskHasLost) {
  step(event::Opened{{held(0, 1, 3)}});
  step(lease(0, 1, 5));
  step(event::Prepared{Attempt(5)});
  EXPECT_THAT(step(event::Failed{Attempt(5), Failure::StateLost, "gone"}), ElementsAre("drop 5", "failed 5"));
  EXPECT_FALSE(jobs_.holds({ModelId(0), Version(1), Attempt(3)}));
}

TEST_F(JobsTest, GoOnToTheNextUnitWhenOneFails) {
  begin(0, 1);
  step(lease(1, 1, 2, "there"));
  step(lease(2, 0, 3));
  step(event::Prepared{Attempt(2)});
  step(event::Prepared{Attempt(3)});
  EXPECT_THAT(step(event::Failed{Attempt(2), Failure::SourceUnreachable, "no answer"}),
              ElementsAre("drop 2", "failed 2"));
  EXPECT_THAT(step(event::Failed{Attempt(1), Failure::Error, "the loss threw"}),
              ElementsAre("drop 1", "failed 1", "train 3"));
  EXPECT_EQ(last<action::TellFailed>().text, "the loss threw");
}

// ---- leases that are given back -----------------------------------------------------------------------------------------

TEST_F(JobsTest, GiveALeaseBackBeforeItsUnitBegins) {
  begin(0, 1);
  step(lease(1, 1, 2, "there"));
  step(event::Prepared{Attempt(2)});
  EXPECT_THAT(step(event::Cancelled{Attempt(2)}), ElementsAre("drop 2", "failed 2"));
  EXPECT_EQ(last<action::TellFailed>().failure, Failure::Cancelled);
  EXPECT_THAT(step(event::Arrived{Attempt(2), kParent}), IsEmpty()) << "too late";
  EXPECT_THAT(step(event::Failed{Attempt(2), Failure::Error, "too late"}), IsEmpty());
}

TEST_F(JobsTest, WaitForNoParentWhoseSourceIsGone) {
  step(lease(1, 1, 2, "there"));
  step(lease(2, 0, 3));
  step(event::Prepared{Attempt(2)});
  EXPECT_THAT(step(event::Prepared{Attempt(3)}), IsEmpty()) << "it waits behind the other one";
  EXPECT_THAT(step(event::SourceGone{Attempt(2)}), ElementsAre("drop 2", "failed 2", "train 3"));
  EXPECT_EQ(last<action::TellFailed>().failure, Failure::SourceGone);
  EXPECT_THAT(step(event::Arrived{Attempt(2), kParent}), IsEmpty()) << "too late";
  EXPECT_THAT(step(event::SourceGone{Attempt(2)}), IsEmpty()) << "a repeated message";
  step(lease(4, 1, 5, "there"));
  EXPECT_THAT(step(event::SourceGone{Attempt(5)}), ElementsAre("drop 5", "failed 5")) << "before it is asked for";
}

TEST_F(JobsTest, KeepAParentThatIsHereWhenItsSourceIsGone) {
  step(event::Opened{{held(3, 1, 2)}});
  begin(0, 1);
  step(lease(1, 1, 4, "there"));
  step(lease(3, 1, 5));
  step(event::Prepared{Attempt(4)});
  step(event::Arrived{Attempt(4), kParent});
  ASSERT_THAT(step(event::Prepared{Attempt(5)}), ElementsAre("read 5"));
  EXPECT_THAT(step(event::SourceGone{Attempt(4)}), IsEmpty());
  EXPECT_THAT(step(event::SourceGone{Attempt(5)}), IsEmpty()) << "it comes from the own disk";
  EXPECT_THAT(step(event::Trained{Attempt(1), {}}), ElementsAre("save 1", "train 4"));
  EXPECT_THAT(step(event::SourceGone{Attempt(4)}), IsEmpty());
}

TEST_F(JobsTest, FinishAUnitThatHasBegunWhenItIsCancelled) {
  begin(0, 1);
  EXPECT_THAT(step(event::Cancelled{Attempt(1)}), IsEmpty());
  EXPECT_THAT(step(event::Trained{Attempt(1), {}}), ElementsAre("save 1"));
  EXPECT_THAT(step(event::Cancelled{Attempt(1)}), IsEmpty());
  EXPECT_THAT(step(event::Saved{Attempt(1), kNew}), ElementsAre("result 1", "copy 1"));
}

// ---- states -----------------------------------------------------------------------------------------------------------

TEST_F(JobsTest, SendOnlyStatesThatAreDurable) {
  begin(0, 1);
  step(event::Trained{Attempt(1), {}});
  EXPECT_THAT(step(event::Wanted{8, ModelId(0), Version(1)}), ElementsAre("refuse"));
  EXPECT_EQ(last<action::Refuse>().ticket, 8U);
  EXPECT_EQ(last<action::Refuse>().text, "version 1 of model 0 is not here");
  step(event::Saved{Attempt(1), kNew});
  EXPECT_THAT(step(event::Wanted{9, ModelId(0), Version(1)}), ElementsAre("serve 1"));
  step(event::Vanished{{ModelId(0), Version(1), Attempt(1)}});
  EXPECT_THAT(step(event::Wanted{10, ModelId(0), Version(1)}), ElementsAre("refuse"));
}

TEST_F(JobsTest, DeleteTheStateOfTheAttemptThatIsNamedAndNoOther) {
  step(event::Opened{{held(0, 1, 3)}});
  EXPECT_THAT(step(event::Released{{ModelId(0), Version(1), Attempt(2)}}), IsEmpty());
  EXPECT_THAT(step(event::Released{{ModelId(0), Version(2), Attempt(3)}}), IsEmpty());
  EXPECT_THAT(step(event::Released{{ModelId(0), Version(1), Attempt(3)}}), ElementsAre("delete 3"));
  EXPECT_THAT(step(event::Released{{ModelId(0), Version(1), Attempt(3)}}), IsEmpty()) << "it is gone";
}

TEST_F(JobsTest, TellAReleasedStateFromOneThatIsLost) {
  step(event::Opened{{held(0, 1, 3), held(0, 2, 4)}});
  step(event::Released{{ModelId(0), Version(1), Attempt(3)}});
  step(event::Vanished{{ModelId(0), Version(2), Attempt(4)}});
  EXPECT_THAT(step(event::Wanted{8, ModelId(0), Version(1)}), ElementsAre("refuse"));
  EXPECT_TRUE(last<action::Refuse>().released);
  EXPECT_EQ(last<action::Refuse>().text, "version 1 of model 0 was released");
  EXPECT_THAT(step(event::Wanted{9, ModelId(0), Version(2)}), ElementsAre("refuse"));
  EXPECT_FALSE(last<action::Refuse>().released);
}

TEST_F(JobsTest, CallNoStateReleasedThatWasMadeAgainAndLost) {
  step(event::Opened{{held(0, 1, 3)}});
  step(event::Released{{ModelId(0), Version(1), Attempt(3)}});
  begin(0, 5);
  step(event::Trained{Attempt(5), {}});
  step(event::Saved{Attempt(5), kNew});
  EXPECT_THAT(step(event::Wanted{8, ModelId(0), Version(1)}), ElementsAre("serve 5"));
  step(event::Vanished{{ModelId(0), Version(1), Attempt(5)}});
  EXPECT_THAT(step(event::Wanted{9, ModelId(0), Version(1)}), ElementsAre("refuse"));
  EXPECT_FALSE(last<action::Refuse>().released);
}

TEST_F(JobsTest, DeleteNoOlderStateWhoseFileIsBeingReplaced) {
  step(event::Opened{{held(0, 1, 3)}});
  begin(0, 5);
  step(event::Trained{Attempt(5), {}});
  EXPECT_THAT(step(event::Released{{ModelId(0), Version(1), Attempt(3)}}), IsEmpty())
      << "the disk would delete the new file, which has the same name";
  step(event::Saved{Attempt(5), kNew});
  EXPECT_TRUE(jobs_.holds({ModelId(0), Version(1), Attempt(5)}));
}

TEST_F(JobsTest, DeleteTheStateOfAStaleResult) {
  begin(0, 1);
  step(event::Trained{Attempt(1), {}});
  step(event::Saved{Attempt(1), kNew});
  EXPECT_THAT(step(event::Answered{ModelId(0), Unit(0), Attempt(1), Verdict::Stale}), ElementsAre("delete 1"));
}

TEST_F(JobsTest, CopyAStateInAdvanceOnlyWhereNothingElseIsToBeDone) {
  begin(0, 1);
  step(lease(1, 0, 2));
  step(event::Trained{Attempt(1), {}});
  EXPECT_THAT(step(event::Saved{Attempt(1), kNew}), ElementsAre("result 1"));
}

// ---- troubles -----------------------------------------------------------------------------------------------------------

TEST_F(JobsTest, EndTheLifeAndBlameNoModelWhenTheDiskIsFull) {
  begin(0, 1);
  step(event::Trained{Attempt(1), {}});
  EXPECT_THAT(step(event::Broken{Trouble::Disk, "no space"}), ElementsAre("end"));
  EXPECT_EQ(last<action::End>().trouble, Trouble::Disk);
}

TEST_F(JobsTest, LoseOneUnitWhenItsStateCannotLeaveTheDevice) {
  begin(0, 1);
  step(event::Trained{Attempt(1), {}});
  EXPECT_THAT(step(event::Failed{Attempt(1), Failure::Error, "copy failed"}), ElementsAre("drop 1", "failed 1"));
  EXPECT_THAT(jobs_.jobs(), IsEmpty());
}

}  // namespace
}  // namespace hop::hopper::worker
