// Lanes of work that meet: whose turn it is, what they are told, and how they end where one of them fails.
#include "hopper/detail/lockstep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"

namespace hop::hopper {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;
using Numbers = Lockstep::Numbers;

Numbers as_they_are(const Numbers& own) { return own; }

struct Lanes {
  explicit Lanes(std::size_t count) : lockstep(count) {
    for (std::size_t lane = 0; lane < count; ++lane) talks.push_back(lockstep.talk(lane));
  }
  Lockstep lockstep;
  std::vector<std::shared_ptr<kernels::ReplicaTalk>> talks;
};

TEST(Lockstep, RunsOneLaneAtATimeFromMeetingToMeeting) {
  Lanes lanes(3);
  for (int step = 0; step < 50; ++step) {
    std::string order;
    std::atomic<int> computing = 0;
    const auto exchange = [&](const Numbers& own) {
      order += "x";
      return own;
    };
    lanes.lockstep.run({0, 1, 2}, exchange, [&](std::size_t lane) {
      for (int part = 0; part < 3; ++part) {
        EXPECT_EQ(++computing, 1);
        order += static_cast<char>('a' + lane);
        --computing;
        if (part < 2) lanes.talks[lane]->share({static_cast<double>(lane)});
      }
    });
    EXPECT_EQ(order, "abcxabcxabc");
  }
}

TEST(Lockstep, TellsEachLaneTheNumbersOfAll) {
  Lanes lanes(3);
  std::vector<Numbers> heard(3);
  lanes.lockstep.run(
      {0, 1, 2},
      [](const Numbers& own) {
        Numbers all = own;
        all.push_back({7, 7});  // of another worker
        return all;
      },
      [&](std::size_t lane) {
        const double x = static_cast<double>(lane);
        lanes.talks[lane]->share({x, -x});
        heard[lane] = lanes.talks[lane]->share({10 * x, 1});
      });
  for (const Numbers& numbers : heard) {
    EXPECT_THAT(numbers, ElementsAre(ElementsAre(0, 1), ElementsAre(10, 1), ElementsAre(20, 1), ElementsAre(7, 7)));
  }
}

// Lanes keep their threads from step to step, and the first one has the caller's.
TEST(Lockstep, RunsTheLanesThatTakePartEachOnItsThread) {
  Lanes lanes(4);
  std::vector<std::set<std::thread::id>> threads(4);
  const std::vector<std::vector<std::size_t>> steps = {{0, 1, 2, 3}, {1, 3}, {0, 2}, {2}, {}, {0, 1, 2, 3}};
  for (const std::vector<std::size_t>& step : steps) {
    std::vector<std::size_t> ran;
    lanes.lockstep.run(step, as_they_are, [&](std::size_t lane) {
      threads[lane].insert(std::this_thread::get_id());
      EXPECT_EQ(lanes.talks[lane]->share({1}).size(), step.size());
      ran.push_back(lane);
    });
    EXPECT_EQ(ran, step);
  }
  std::set<std::thread::id> all;
  for (const auto& ids : threads) {
    EXPECT_EQ(ids.size(), 1U);
    all.insert(ids.begin(), ids.end());
  }
  EXPECT_EQ(all.size(), 4U);
  EXPECT_THAT(threads[0], ElementsAre(std::this_thread::get_id()));
}

TEST(Lockstep, BreaksAllLanesOffWhereOneFails) {
  Lanes lanes(3);
  for (std::size_t bad = 0; bad < 3; ++bad) {
    for (int after = 0; after < 3; ++after) {
      SCOPED_TRACE(std::to_string(bad) + " after " + std::to_string(after));
      std::vector<int> parts(3);
      EXPECT_THAT(
          [&] {
            lanes.lockstep.run({0, 1, 2}, as_they_are, [&](std::size_t lane) {
              for (int part = 0; part < 3; ++part) {
                if (lane == bad && part == after) throw IndexError("a label");
                lanes.talks[lane]->share({1});
                ++parts[lane];
              }
            });
          },
          ThrowsMessage<IndexError>("a label"));
      for (const int part : parts) EXPECT_LE(part, after);
    }
  }
  int ran = 0;
  lanes.lockstep.run({0, 1, 2}, as_they_are, [&](std::size_t) { ++ran; });
  EXPECT_EQ(ran, 3) << "the next step";
}

TEST(Lockstep, BreaksAllLanesOffWhereTheExchangeFails) {
  Lanes lanes(2);
  int went_on = 0;
  EXPECT_THROW(lanes.lockstep.run(
                   {0, 1}, [](const Numbers&) -> Numbers { throw NetError("a member is gone"); },
                   [&](std::size_t lane) {
                     lanes.talks[lane]->share({1});
                     ++went_on;
                   }),
               NetError);
  EXPECT_EQ(went_on, 0);
}

TEST(Lockstep, RefusesLanesThatRunOtherLayers) {
  Lanes lanes(2);
  const auto run = [&](std::vector<int> meetings, std::vector<std::size_t> counts) {
    lanes.lockstep.run({0, 1}, as_they_are, [&, meetings = std::move(meetings)](std::size_t lane) {
      for (int i = 0; i < meetings[lane]; ++i) lanes.talks[lane]->share(std::vector<double>(counts[lane]));
    });
  };
  const auto is_refused = ThrowsMessage<StateError>(HasSubstr("to run the same BatchNorm layers in the same order"));
  EXPECT_THAT([&] { run({0, 1}, {3, 3}); }, is_refused);
  EXPECT_THAT([&] { run({1, 0}, {3, 3}); }, is_refused);
  EXPECT_THAT([&] { run({2, 1}, {3, 3}); }, is_refused);
  EXPECT_THAT([&] { run({1, 2}, {3, 3}); }, is_refused);
  EXPECT_THAT([&] { run({2, 2}, {3, 4}); }, is_refused);
  EXPECT_NO_THROW(run({2, 2}, {3, 3}));
}

}  // namespace
}  // namespace hop::hopper
