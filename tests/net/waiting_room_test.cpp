// The rules for strangers who wait at the door, and for lines in the log about them. All pure.
#include "net/waiting_room.h"

#include <gtest/gtest.h>

#include "net/rarely.h"

namespace hop::net {
namespace {

TEST(WaitingRoom, SendsTheOldestSilentVisitorAwayForANewcomer) {
  WaitingRoom room({.total = 3, .per_origin = 8});
  EXPECT_FALSE(room.enter(1, ""));
  EXPECT_FALSE(room.enter(2, ""));
  EXPECT_FALSE(room.enter(3, ""));
  room.spoke(1);
  EXPECT_EQ(room.enter(4, ""), 2U);
  EXPECT_EQ(room.size(), 3U);
}

TEST(WaitingRoom, KeepsAFriendThroughAFloodOfSilentVisitors) {
  WaitingRoom room;
  room.enter(0, "");
  room.spoke(0);
  for (WaitingRoom::Id id = 1; id < 10'000; ++id) EXPECT_NE(room.enter(id, ""), 0U);
  EXPECT_EQ(room.size(), 64U);
}

TEST(WaitingRoom, TurnsOverEvenWhenAllHaveSpoken) {
  WaitingRoom room({.total = 2, .per_origin = 8});
  for (const WaitingRoom::Id id : {1U, 2U}) {
    room.enter(id, "");
    room.spoke(id);
  }
  EXPECT_EQ(room.enter(3, ""), 1U) << "the oldest; nobody keeps its place for ever";
}

TEST(WaitingRoom, GivesOneOtherMachineFewPlacesAndThisOneAll) {
  WaitingRoom room;
  for (WaitingRoom::Id id = 0; id < 8; ++id) EXPECT_FALSE(room.enter(id, "10.0.0.7"));
  EXPECT_EQ(room.enter(8, "10.0.0.7"), 0U) << "its own oldest one";
  EXPECT_FALSE(room.enter(9, "10.0.0.8"));
  for (WaitingRoom::Id id = 10; id < 26; ++id) EXPECT_FALSE(room.enter(id, "")) << "sixteen workers of this machine";
}

TEST(WaitingRoom, HasFreePlacesAgainWhenVisitorsLeave) {
  WaitingRoom room({.total = 1, .per_origin = 8});
  room.enter(1, "");
  room.leave(1);
  EXPECT_FALSE(room.enter(2, ""));
  EXPECT_EQ(room.send_one_away(), 2U);
  EXPECT_FALSE(room.send_one_away());
}

TEST(Rarely, SaysTheFirstAndCountsTheRest) {
  Rarely rarely(std::chrono::seconds(10));
  const Rarely::Clock::time_point start{};
  EXPECT_EQ(rarely.line("no", start), "no");
  for (int i = 0; i < 999; ++i) EXPECT_EQ(rarely.line("no", start + std::chrono::seconds(9)), "");
  EXPECT_EQ(rarely.line("no", start + std::chrono::seconds(10)), "no (and 999 more since the last line)");
  EXPECT_EQ(rarely.line("no", start + std::chrono::seconds(30)), "no");
}

}  // namespace
}  // namespace hop::net
