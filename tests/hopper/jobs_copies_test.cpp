// The worker's law about copies of other workers' states.
#include <gtest/gtest.h>

#include <algorithm>

#include "hopper/worker/doing.h"
#include "hopper/worker/jobs.h"

namespace hop::hopper::worker {
namespace {

constexpr Digest kState{1, 2}, kOther{3, 4};

class JobsCopies : public testing::Test {
 protected:
  static Copy copy(std::uint32_t model, std::uint32_t version, std::uint32_t attempt) {
    return {.model = ModelId(model), .version = Version(version), .attempt = Attempt(attempt), .digest = kState};
  }
  static event::Leased lease(std::uint32_t model, std::uint32_t unit, std::uint32_t attempt, std::string source = "") {
    Lease l;
    l.model = ModelId(model);
    l.unit = Unit(unit);
    l.attempt = Attempt(attempt);
    if (unit > 0) l.parent = kState;
    return {l, std::move(source)};
  }
  void order(std::uint32_t model, std::uint32_t version, std::uint32_t attempt) {
    step(event::CopyOrdered{copy(model, version, attempt), "there"});
  }
  void step(const Event& event) { last_ = jobs_.step(event, {}); }
  // The attempts of the actions of this type.
  template <class A>
  std::vector<std::uint32_t> all() const {
    std::vector<std::uint32_t> attempts;
    for (const Action& action : last_) {
      if (const A* a = std::get_if<A>(&action)) attempts.push_back(a->copy.attempt.value);
    }
    return attempts;
  }
  using Attempts = std::vector<std::uint32_t>;
  Jobs jobs_;
  std::vector<Action> last_;
};

TEST_F(JobsCopies, AreToldWhenTheyAreDurableAndGivenToOthersFromThenOn) {
  order(0, 3, 7);
  EXPECT_EQ(all<action::FetchCopy>(), Attempts{7});
  EXPECT_EQ(doing(jobs_), "copies model 0 from there");
  step(event::CopyArrived{Attempt(7), kState});
  EXPECT_EQ(all<action::SaveCopy>(), Attempts{7});
  EXPECT_FALSE(jobs_.holds({ModelId(0), Version(3), Attempt(7)}));
  step(event::CopySaved{Attempt(7), kState});
  EXPECT_EQ(all<action::TellCopied>(), Attempts{7});
  EXPECT_TRUE(jobs_.holds({ModelId(0), Version(3), Attempt(7)}));
  EXPECT_TRUE(jobs_.copies().empty());
  step(event::Released{{ModelId(0), Version(3), Attempt(7)}});
  EXPECT_FALSE(jobs_.holds({ModelId(0), Version(3), Attempt(7)}));
}

TEST_F(JobsCopies, ThatAreOrderedTwiceAreMadeOnce) {
  order(0, 3, 7);
  order(0, 3, 7);
  EXPECT_TRUE(last_.empty());
  step(event::CopyArrived{Attempt(7), kState});
  step(event::CopySaved{Attempt(7), kState});
  order(0, 3, 7);
  EXPECT_TRUE(last_.empty());
}

TEST_F(JobsCopies, WithAnotherDigestAreNotKept) {
  order(0, 3, 7);
  step(event::CopyArrived{Attempt(7), kOther});
  EXPECT_EQ(all<action::TellNotCopied>(), Attempts{7});
  EXPECT_TRUE(all<action::SaveCopy>().empty());
  step(event::CopySaved{Attempt(7), kOther});
  EXPECT_TRUE(last_.empty()) << "a late report";
}

TEST_F(JobsCopies, ThatFailAreToldAndCostNothingElse) {
  order(0, 3, 7);
  step(event::CopyFailed{Attempt(7), "no answer"});
  EXPECT_EQ(all<action::TellNotCopied>(), Attempts{7});
  order(0, 3, 8);
  step(event::CopyArrived{Attempt(8), kState});
  step(event::CopyFailed{Attempt(8), "no space left on device"});
  EXPECT_EQ(all<action::TellNotCopied>(), Attempts{8});
  EXPECT_FALSE(jobs_.ended());
}

TEST_F(JobsCopies, GoOneByOneAndWaitWhileAParentIsFetched) {
  step(lease(1, 2, 1, "elsewhere"));
  step(event::Prepared{Attempt(1)});
  order(0, 3, 7);
  EXPECT_TRUE(last_.empty()) << "the unit needs the network";
  order(4, 1, 8);
  step(event::Arrived{Attempt(1), kState});
  EXPECT_EQ(all<action::FetchCopy>(), Attempts{7});
  step(event::CopyArrived{Attempt(7), kState});
  EXPECT_TRUE(all<action::FetchCopy>().empty());
  step(event::CopySaved{Attempt(7), kState});
  EXPECT_EQ(all<action::FetchCopy>(), Attempts{8});
}

TEST_F(JobsCopies, DoNotReplaceAStateOfTheSameName) {
  step(event::Opened{{{ModelId(0), Version(3), PartitionId(0), Attempt(2), {}, kState, {}}}});
  order(0, 3, 7);
  EXPECT_EQ(all<action::TellNotCopied>(), Attempts{7});
  EXPECT_TRUE(jobs_.holds({ModelId(0), Version(3), Attempt(2)}));
  step(event::Released{{ModelId(0), Version(3), Attempt(2)}});
  order(0, 3, 8);
  EXPECT_EQ(all<action::FetchCopy>(), Attempts{8}) << "the disk deletes the old file first";
}

TEST_F(JobsCopies, GiveWayToAUnitThatMakesTheSameState) {
  step(lease(0, 0, 1));
  order(0, 1, 7);
  EXPECT_EQ(all<action::TellNotCopied>(), Attempts{7}) << "a unit is about to make it";
  order(5, 1, 8);
  step(event::CopyArrived{Attempt(8), kState});
  step(lease(5, 0, 9));
  step(event::Prepared{Attempt(1)});
  step(event::Trained{Attempt(1), {}});
  step(event::Prepared{Attempt(9)});
  step(event::Trained{Attempt(9), {}});
  EXPECT_EQ(all<action::TellNotCopied>(), Attempts{8});
  step(event::CopySaved{Attempt(8), kState});
  EXPECT_FALSE(jobs_.holds({ModelId(5), Version(1), Attempt(8)})) << "the unit's file replaces that of the copy";
  step(event::Saved{Attempt(9), kState});
  EXPECT_TRUE(jobs_.holds({ModelId(5), Version(1), Attempt(9)}));
}

TEST_F(JobsCopies, WhoseSourceIsGoneMakeWayForTheOthersUnlessTheyAreHere) {
  order(0, 3, 7);
  order(4, 1, 8);
  order(5, 1, 9);
  step(event::SourceGone{Attempt(7)});
  EXPECT_EQ(all<action::TellNotCopied>(), Attempts{7});
  EXPECT_EQ(all<action::FetchCopy>(), Attempts{8});
  step(event::CopyArrived{Attempt(7), kState});
  EXPECT_TRUE(last_.empty()) << "too late";
  step(event::SourceGone{Attempt(9)});
  EXPECT_EQ(all<action::TellNotCopied>(), Attempts{9}) << "before it is asked for";
  step(event::CopyArrived{Attempt(8), kState});
  step(event::SourceGone{Attempt(8)});
  EXPECT_TRUE(last_.empty()) << "it is on its way to the disk";
  step(event::CopySaved{Attempt(8), kState});
  EXPECT_EQ(all<action::TellCopied>(), Attempts{8});
}

TEST_F(JobsCopies, EndWithTheLife) {
  order(0, 3, 7);
  step(event::Broken{Trouble::Connection, "gone"});
  step(event::CopyArrived{Attempt(7), kState});
  EXPECT_TRUE(last_.empty());
}

}  // namespace
}  // namespace hop::hopper::worker
