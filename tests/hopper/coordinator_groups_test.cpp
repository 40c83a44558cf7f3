// The law of a group's lease: reserved at once, ended once.
#include <gmock/gmock.h>

#include "hopper/strategy/data_parallel.h"
#include "hopper/strategy/group_hopping.h"
#include "tests/hopper/coordinator_driver.h"

namespace hop::hopper {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Itinerary groups(std::uint32_t workers) {
  Itinerary itinerary{4, workers, 2, Order::Fixed};
  itinerary.strategy = allreduce();
  return itinerary;
}

class CoordinatorOfGroups : public testing::Test {
 protected:
  CoordinatorOfGroups() : drive_(groups(3), 2) {}

  void all_up() {
    for (std::uint32_t w = 0; w < 3; ++w) drive_.up(w);
  }
  std::vector<std::uint32_t> sent_to() const {
    std::vector<std::uint32_t> workers;
    for (const auto& sent : drive_.all<action::SendLease>()) workers.push_back(sent.peer.worker.value);
    return workers;
  }
  std::vector<std::uint32_t> abandoned_by() const {
    std::vector<std::uint32_t> workers;
    for (const auto& cancel : drive_.all<action::CancelLease>()) {
      EXPECT_TRUE(cancel.abandon);
      workers.push_back(cancel.peer.worker.value);
    }
    return workers;
  }
  std::size_t leases_of(std::uint32_t worker) const { return drive_.coordinator().workers()[worker].leases.size(); }
  event::UnitFailed failure(std::uint32_t worker, Failure failure) const {
    const Lease l = drive_.lease(0);
    return {peer(worker), l.model, l.unit, l.attempt, failure, "why"};
  }

  Drive drive_;
};

TEST_F(CoordinatorOfGroups, AreLeasedWhenAllMembersAreThere) {
  drive_.up(0);
  EXPECT_THAT(sent_to(), IsEmpty());
  drive_.up(2);
  EXPECT_THAT(sent_to(), IsEmpty());
  drive_.up(1);
  EXPECT_THAT(sent_to(), ElementsAre(0, 1, 2));
  std::uint32_t rank = 0;
  for (const auto& sent : drive_.all<action::SendLease>()) {
    EXPECT_EQ(sent.lease.attempt, drive_.lease(0).attempt);
    EXPECT_EQ(sent.lease.rank, rank++);
    EXPECT_THAT(sent.lease.members, ElementsAre(WorkerId(0), WorkerId(1), WorkerId(2)));
  }
  EXPECT_FALSE(drive_.leased(1)) << "no member is in two groups";
}

TEST_F(CoordinatorOfGroups, ResultOfTheLeadFreesAll) {
  all_up();
  const event::Result result = drive_.result_of(0);
  drive_.step(event::Confirmed{peer(1), ModelId(0), result.attempt});
  EXPECT_EQ(leases_of(1), 0U);
  EXPECT_THAT(sent_to(), IsEmpty()) << "the others still train";
  drive_.step(result);
  EXPECT_THAT(abandoned_by(), IsEmpty());
  EXPECT_THAT(sent_to(), ElementsAre(0, 1, 2)) << "model 1, while model 0 waits for the disk";
  EXPECT_TRUE(drive_.leased(1));
  EXPECT_FALSE(drive_.leased(0));
}

TEST_F(CoordinatorOfGroups, ResultOfAnotherMemberIsStale) {
  all_up();
  event::Result result = drive_.result_of(0);
  result.peer = peer(1);
  drive_.step(result);
  ASSERT_EQ(drive_.all<action::Answer>().size(), 1U);
  EXPECT_EQ(drive_.all<action::Answer>()[0].verdict, Verdict::Stale);
  EXPECT_TRUE(drive_.leased(0));
}

TEST_F(CoordinatorOfGroups, DeathOfAMemberEndsTheLeaseForAll) {
  for (const std::uint32_t dead : {0U, 1U, 2U}) {
    SCOPED_TRACE(dead);
    Drive drive(groups(3), 1);
    for (std::uint32_t w = 0; w < 3; ++w) drive.up(w);
    const Lease lost = drive.lease(0);
    drive.down(dead);
    EXPECT_EQ(drive.all<action::CancelLease>().size(), 2U);
    EXPECT_FALSE(drive.leased(0));
    drive.up(dead, 2);
    ASSERT_TRUE(drive.leased(0));
    EXPECT_EQ(drive.lease(0).unit, lost.unit);
    EXPECT_EQ(drive.lease(0).parent, lost.parent);
    EXPECT_NE(drive.lease(0).attempt, lost.attempt);
  }
}

// Nobody needs a state of worker 2. Its end would cost the others their work.
TEST_F(CoordinatorOfGroups, AMemberThatLeavesFinishesItsUnit) {
  all_up();
  const Attempt attempt = drive_.lease(0).attempt;
  drive_.step(event::WorkerLeaves{peer(2)});
  EXPECT_THAT(drive_.all<action::SendHome>(), IsEmpty());
  drive_.step(event::Confirmed{peer(2), ModelId(0), attempt});
  ASSERT_EQ(drive_.all<action::SendHome>().size(), 1U);
  EXPECT_EQ(drive_.all<action::SendHome>()[0].peer, peer(2));
}

// The lead's late result of the group that is no more does not count.
TEST_F(CoordinatorOfGroups, ResultAfterTheEndIsStale) {
  all_up();
  const event::Result late = drive_.result_of(0);
  drive_.down(2);
  drive_.step(late);
  ASSERT_EQ(drive_.all<action::Answer>().size(), 1U);
  EXPECT_EQ(drive_.all<action::Answer>()[0].verdict, Verdict::Stale);
}

TEST_F(CoordinatorOfGroups, MemberThatReachesNoOtherTriesAgainLater) {
  all_up();
  drive_.step(failure(1, Failure::MemberLost));
  EXPECT_THAT(abandoned_by(), ElementsAre(0, 2));
  EXPECT_TRUE(drive_.leased(1)) << "another model is next";
  EXPECT_EQ(drive_.model(0).status, Status::Running) << "no fault of the model";
  EXPECT_FALSE(drive_.all<action::SetTimer>().empty());
}

TEST_F(CoordinatorOfGroups, TrainingThatThrowsIsHeldAgainstTheModelOnce) {
  Drive drive(groups(3), 1);
  for (std::uint32_t w = 0; w < 3; ++w) drive.up(w);
  for (int i = 0; i < 3; ++i) {
    const Lease l = drive.lease(0);
    drive.step(event::UnitFailed{peer(2), l.model, l.unit, l.attempt, Failure::Error, "it threw"});
    drive.step(event::UnitFailed{peer(1), l.model, l.unit, l.attempt, Failure::MemberLost, "worker 2 is gone"});
    drive.step(event::UnitFailed{peer(0), l.model, l.unit, l.attempt, Failure::Cancelled, "its group is no more"});
    EXPECT_EQ(drive.leased(0), i < 2) << i;
  }
  drive.sync();
  EXPECT_EQ(drive.model(0).status, Status::Quarantined);
}

// Worker 1 trains an abandoned unit, and gives a later lease back that waits behind it. Then the unit ends the worker.
TEST_F(CoordinatorOfGroups, AbandonedUnitThatEndsItsWorkerIsHeldAgainstNoLaterOne) {
  CoordinatorOptions options;
  options.max_failures = 1;
  for (const bool has_answered : {false, true}) {
    SCOPED_TRACE(has_answered);
    Drive drive(groups(3), 1, {}, options);
    for (std::uint32_t w = 0; w < 3; ++w) drive.up(w);
    const Lease abandoned = drive.lease(0);
    const auto give_back = [&](const Lease& l, Failure failure) {
      drive.step(event::UnitFailed{peer(1), l.model, l.unit, l.attempt, failure, "why"});
    };
    drive.down(2);
    drive.up(2, 2);
    ASSERT_NE(drive.lease(0).attempt, abandoned.attempt);
    if (has_answered) give_back(abandoned, Failure::Cancelled);
    give_back(drive.lease(0), Failure::SourceGone);
    ASSERT_TRUE(drive.leased(0)) << "at once";
    drive.step(event::WorkerCrashed{peer(1), "killed by signal 11"});
    EXPECT_EQ(drive.appended<record::Quarantine>().size(), has_answered ? 1U : 0U);
  }
}

TEST_F(CoordinatorOfGroups, OfAveragingAreThoseOfAllreduce) {
  Itinerary itinerary = groups(3);
  itinerary.strategy = averaging();
  Drive drive(itinerary, 1);
  for (std::uint32_t w = 0; w < 3; ++w) drive.up(w);
  EXPECT_THAT(drive.lease(0).members, ElementsAre(WorkerId(0), WorkerId(1), WorkerId(2)));
  drive.down(1);
  EXPECT_EQ(drive.all<action::CancelLease>().size(), 2U);
  EXPECT_FALSE(drive.leased(0));
}

TEST_F(CoordinatorOfGroups, WorkersWithoutAPartitionStayIdle) {
  Drive many(groups(5), 1);
  for (std::uint32_t w = 0; w < 4; ++w) many.up(w);
  EXPECT_THAT(many.lease(0).members, ElementsAre(WorkerId(0), WorkerId(1), WorkerId(2), WorkerId(3)));
}

// Two blocks of two workers. Worker 1 is away, so model 0 waits; model 1 begins at the other block.
TEST(CoordinatorOfSeveralGroups, LeasesToOthersWhileAGroupWaitsForAMember) {
  Itinerary itinerary{4, 4, 2, Order::Fixed};
  itinerary.strategy = std::make_shared<GroupHopping>(2);
  Drive drive(itinerary, 2);
  for (const std::uint32_t w : {0U, 2U, 3U}) drive.up(w);
  ASSERT_TRUE(drive.leased(1));
  EXPECT_THAT(drive.lease(1).members, ElementsAre(WorkerId(2), WorkerId(3)));
  EXPECT_FALSE(drive.leased(0));
  drive.up(1);
  ASSERT_TRUE(drive.leased(0));
  EXPECT_THAT(drive.lease(0).members, ElementsAre(WorkerId(0), WorkerId(1)));
}

// Owners 0, 0, 1, 2: worker 0 owns a block alone and may be given two units, the others are a group.
TEST(CoordinatorOfSeveralGroups, AMemberGetsNothingBesideItsGroup) {
  Itinerary itinerary{4, 3, 2, Order::Fixed};
  itinerary.strategy = std::make_shared<GroupHopping>(2);
  Drive drive(itinerary, 6);
  for (const std::uint32_t w : {0U, 1U, 2U}) drive.up(w);
  const auto leases_of = [&](std::uint32_t worker) { return drive.coordinator().workers()[worker].leases.size(); };
  EXPECT_EQ(leases_of(0), 2U);
  EXPECT_EQ(leases_of(1), 1U);
  EXPECT_EQ(leases_of(2), 1U);
}

}  // namespace
}  // namespace hop::hopper
