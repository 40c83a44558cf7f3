// The worker's law for a member of a group.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hopper/worker/jobs.h"

namespace hop::hopper::worker {
namespace {

constexpr Attempt kAttempt(5);

class JobsOfGroups : public testing::Test {
 protected:
  // Unit 0 of model 1, taken up by the member of this rank until it trains.
  void train_as(std::uint32_t rank) {
    Lease lease;
    lease.model = ModelId(1);
    lease.attempt = kAttempt;
    lease.members = {WorkerId(0), WorkerId(1), WorkerId(2)};
    lease.rank = rank;
    jobs_.step(event::Opened{}, {});
    jobs_.step(event::Leased{lease, ""}, {});
    jobs_.step(event::Prepared{kAttempt}, {});
    ASSERT_NE(jobs_.training(), nullptr);
  }
  template <class A>
  std::vector<A> all(const std::vector<Action>& actions) const {
    std::vector<A> found;
    for (const Action& action : actions) {
      if (const A* a = std::get_if<A>(&action)) found.push_back(*a);
    }
    return found;
  }

  Jobs jobs_;
};

TEST_F(JobsOfGroups, TheLeadSavesTheState) {
  train_as(0);
  EXPECT_EQ(all<action::Save>(jobs_.step(event::Trained{kAttempt, {}}, {})).size(), 1U);
}

TEST_F(JobsOfGroups, AnotherMemberConfirmsAndKeepsNothing) {
  train_as(2);
  const std::vector<Action> actions = jobs_.step(event::Trained{kAttempt, {}}, {});
  EXPECT_TRUE(all<action::Save>(actions).empty());
  ASSERT_EQ(all<action::TellConfirmed>(actions).size(), 1U);
  EXPECT_EQ(all<action::Drop>(actions).size(), 1U);
  EXPECT_TRUE(jobs_.jobs().empty());
}

TEST_F(JobsOfGroups, AUnitInTheMiddleIsAbandonedOnce) {
  for (const std::uint32_t rank : {0U, 1U}) {
    jobs_ = {};
    train_as(rank);
    EXPECT_EQ(all<action::Abandon>(jobs_.step(event::Cancelled{kAttempt, true}, {})).size(), 1U);
    EXPECT_TRUE(jobs_.step(event::Cancelled{kAttempt, true}, {}).empty()) << "a repeated message";
    const std::vector<Action> actions = jobs_.step(event::Failed{kAttempt, Failure::MemberLost, "gone"}, {});
    EXPECT_EQ(all<action::TellFailed>(actions).size(), 1U);
    EXPECT_TRUE(jobs_.jobs().empty());
  }
}

TEST_F(JobsOfGroups, AUnitThatWasDoneMeanwhileIsNotSaved) {
  train_as(0);
  jobs_.step(event::Cancelled{kAttempt, true}, {});
  const std::vector<Action> actions = jobs_.step(event::Trained{kAttempt, {}}, {});
  EXPECT_TRUE(all<action::Save>(actions).empty());
  ASSERT_EQ(all<action::TellFailed>(actions).size(), 1U);
  EXPECT_EQ(all<action::TellFailed>(actions)[0].failure, Failure::Cancelled);
}

TEST_F(JobsOfGroups, AUnitInTheMiddleIsNotCancelledOtherwise) {
  train_as(0);
  EXPECT_TRUE(jobs_.step(event::Cancelled{kAttempt}, {}).empty());
}

// On a network on which messages overtake each other.
TEST_F(JobsOfGroups, ALeaseThatWasVoidBeforeItCameIsIgnored) {
  jobs_.step(event::Opened{}, {});
  EXPECT_TRUE(jobs_.step(event::Cancelled{kAttempt, true}, {}).empty());
  Lease lease;
  lease.attempt = kAttempt;
  lease.members = {WorkerId(0), WorkerId(1)};
  EXPECT_TRUE(jobs_.step(event::Leased{lease, ""}, {}).empty());
}

}  // namespace
}  // namespace hop::hopper::worker
