// When a worker counts as silent, when as standing still, and how soon it is started again. Pure rules over times.
#include "hopper/detail/pulse.h"

#include <gtest/gtest.h>

namespace hop::hopper {
namespace {

using namespace std::chrono_literals;
using At = Pulse::Clock::time_point;

TEST(Pulse, TakesEveryByteOfALargeMessageForASignOfLife) {
  Pulse pulse;
  pulse.start(At(0s));
  for (int second = 1; second <= 100; ++second)
    pulse.look(static_cast<std::uint64_t>(second) * 1000, true, At(second * 1s));
  EXPECT_EQ(pulse.silent_for(At(101s)), 1s);
  EXPECT_EQ(pulse.stands_still_for(At(101s)), 1s) << "a state that arrives is progress, too";
}

TEST(Pulse, TakesHeartbeatsForLifeButNotForProgress) {
  Pulse pulse;
  pulse.start(At(0s));
  for (int second = 1; second <= 100; ++second) {
    pulse.look(static_cast<std::uint64_t>(second) * 60, false, At(second * 1s));
    pulse.beat(7, At(second * 1s));
  }
  EXPECT_EQ(pulse.silent_for(At(100s)), 0s);
  EXPECT_EQ(pulse.stands_still_for(At(100s)), 99s) << "the number in it stays the same since the first one";
  pulse.beat(8, At(100s));
  EXPECT_EQ(pulse.stands_still_for(At(100s)), 0s);
}

TEST(Pulse, DoesNotCountTheTimeInWhichNobodyListened) {
  Pulse pulse;
  pulse.start(At(0s));
  pulse.forgive(10s);
  EXPECT_EQ(pulse.silent_for(At(11s)), 1s);
  EXPECT_EQ(pulse.stands_still_for(At(11s)), 1s);
}

TEST(Patience, LastsLongerWhereUnitsOrStatesNeedIt) {
  Patience patience(60s);
  EXPECT_EQ(patience.longest(), 60s);
  for (int i = 0; i < 10; ++i) patience.unit_took(0.01, 1000);
  EXPECT_EQ(patience.longest(), 60s);
  for (int i = 0; i < 11; ++i) patience.unit_took(30, 1000);
  EXPECT_EQ(patience.longest(), 600s) << "20 times the median";
  for (int i = 0; i < 101; ++i) patience.unit_took(0.01, 1000);
  EXPECT_EQ(patience.longest(), 60s) << "of the latest units";
  patience.unit_took(0.01, 2'000'000'000);
  EXPECT_EQ(patience.longest(), 200s) << "2 GB at 10 MB/s";
  patience.unit_took(1e300, 1);
  EXPECT_GT(patience.longest(), 0s);
}

TEST(Restarts, ComeAtOnceAfterOneLossAndEverSlowerAfterMore) {
  EXPECT_EQ(pause_after(0), 0ms);
  EXPECT_EQ(pause_after(1), 0ms);
  EXPECT_EQ(pause_after(2), 200ms);
  EXPECT_EQ(pause_after(3), 400ms);
  EXPECT_EQ(pause_after(9), 5000ms);
  EXPECT_EQ(pause_after(1'000'000), 5000ms);
}

}  // namespace
}  // namespace hop::hopper
