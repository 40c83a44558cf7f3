// When a worker is taken for lost, who is to blame for its end, and when its next life begins. A pure machine over
// times, so that a test plays minutes in microseconds.
#include "hopper/detail/lives.h"

#include <gtest/gtest.h>

namespace hop::hopper {
namespace {

using namespace std::chrono_literals;
using At = Lives::Clock::time_point;

constexpr Patience::Duration kPatience = 60s;

Lives::Sight connected(std::uint64_t arrived, bool has_work = true) {
  return {.is_connected = true, .arrived = arrived, .has_work = has_work, .trains = has_work, .doing = "trains"};
}

/// A life that began, said hello and got ready at time 0.
Lives ready_life() {
  Lives lives;
  lives.begin(At(0s));
  lives.began();
  lives.greeted(At(0s));
  lives.ready(At(0s));
  return lives;
}

const Lives::Lose* lose(const Lives::Verdict& verdict) { return std::get_if<Lives::Lose>(&verdict); }

TEST(Lives, OneThatSaysNothingForFiveHeartbeatsIsLost) {
  Lives lives = ready_life();
  lives.look(connected(100), kPatience, At(1s));
  EXPECT_EQ(lose(lives.look(connected(100), kPatience, At(3500ms))), nullptr) << "2.5 s after its last byte";
  const auto verdict = lives.look(connected(100), kPatience, At(3501ms));
  ASSERT_NE(lose(verdict), nullptr);
  EXPECT_EQ(lose(verdict)->loss, Loss::Silence);
}

TEST(Lives, TheTimeInWhichNobodyListenedIsNoSilence) {
  Lives lives = ready_life();
  lives.forgive(100s, At(100s));
  EXPECT_EQ(lose(lives.look(connected(0), kPatience, At(102s))), nullptr);
}

// It speaks, but its progress does not change: the unit is to blame where it trains, else its host.
TEST(Lives, OneThatSpeaksWithoutProgressIsLostWhenPatienceEnds) {
  for (const bool trains : {true, false}) {
    Lives lives = ready_life();
    lives.beat(7, trains, At(0s));
    Lives::Verdict verdict;
    int second = 0;
    while (lose(verdict) == nullptr && second < 1000) {
      ++second;
      lives.beat(7, trains, At(second * 1s));
      Lives::Sight sight = connected(static_cast<std::uint64_t>(second));
      sight.trains = trains;
      verdict = lives.look(sight, kPatience, At(second * 1s));
    }
    ASSERT_NE(lose(verdict), nullptr);
    EXPECT_EQ(second, 61);
    EXPECT_EQ(lose(verdict)->loss, trains ? Loss::StoodStill : Loss::HostStoodStill);
    EXPECT_NE(lose(verdict)->why.find("trains"), std::string::npos) << "it repeats the worker's own words";
  }
}

TEST(Lives, OneWithoutWorkMayIdleForever) {
  Lives lives = ready_life();
  for (int hour = 1; hour < 100; ++hour) {
    const auto bytes = static_cast<std::uint64_t>(hour);
    EXPECT_EQ(lose(lives.look(connected(bytes, false), kPatience, At(hour * 1h))), nullptr);
  }
  EXPECT_EQ(lose(lives.look(connected(1000), kPatience, At(99h + 59s))), nullptr) << "patience begins with the work";
}

TEST(Lives, OneThatNeverSaysHelloIsItsHostsDoing) {
  Lives lives;
  lives.begin(At(0s));
  lives.began();
  EXPECT_EQ(lose(lives.look({}, kPatience, At(60s))), nullptr);
  const auto verdict = lives.look({}, kPatience, At(61s));
  ASSERT_NE(lose(verdict), nullptr);
  EXPECT_EQ(lose(verdict)->loss, Loss::HostStoodStill);
}

// A broken connection waits for the process's end, which says why. After two seconds nothing will say it.
TEST(Lives, TheEndOfABrokenConnectionIsAwaitedAndThenForced) {
  Lives lives = ready_life();
  EXPECT_TRUE(lives.lose("connection reset", Loss::Crash, At(10s)));
  EXPECT_FALSE(lives.lose("again", Loss::Silence, At(11s))) << "a life is lost once";
  EXPECT_EQ(lives.last_error(), "connection reset");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(lives.look({}, kPatience, At(12s))));
  EXPECT_FALSE(lives.is_hosts_doing({"exit code 1", false}));
  EXPECT_TRUE(std::holds_alternative<Lives::Kill>(lives.look({}, kPatience, At(12001ms))));
  lives.end();
  EXPECT_TRUE(std::holds_alternative<std::monostate>(lives.look({}, kPatience, At(20s)))) << "nothing is left to kill";
}

// The coordinator was stopped for an hour, and heard of the end of the connection before the watch saw the hour.
TEST(Lives, AnEndIsAwaitedFromNowOnWhereTheTimeInWhichNobodyListenedLiesBefore) {
  Lives lives = ready_life();
  lives.lose("gone", Loss::Crash, At(3600s));
  lives.forgive(3600s, At(3600s));
  EXPECT_EQ(lives.overdue(At(3605s)), 5s);
}

TEST(Lives, AnEndThatDoesNotComeIsToldOfAndThenLeft) {
  Lives lives = ready_life();
  lives.lose("silent", Loss::Silence, At(10s));
  EXPECT_FALSE(lives.overdue(At(14s)));
  EXPECT_EQ(lives.overdue(At(15s)), 5s);
  EXPECT_FALSE(lives.overdue(At(19s))) << "the next line comes when the wait has doubled";
  EXPECT_EQ(lives.overdue(At(21s)), 11s);
  lives.forgive(100s, At(121s));  // nobody was there to see the end
  EXPECT_FALSE(lives.overdue(At(122s)));
  EXPECT_TRUE(std::holds_alternative<Lives::Kill>(lives.look({}, kPatience, At(170s))));
  EXPECT_TRUE(std::holds_alternative<Lives::Leave>(lives.look({}, kPatience, At(171s))));
  lives.end();
  EXPECT_FALSE(lives.overdue(At(1000s)));
}

TEST(Lives, TheBlameFollowsTheLossAndThenTheHostsWord) {
  const struct {
    Loss loss;
    bool by_host, hosts_doing;
  } table[] = {{Loss::Crash, false, false},         {Loss::Crash, true, true},         {Loss::Silence, false, false},
               {Loss::Silence, true, true},         {Loss::StoodStill, false, false},  {Loss::StoodStill, true, false},
               {Loss::HostStoodStill, false, true}, {Loss::HostStoodStill, true, true}};
  for (const auto& row : table) {
    Lives lives = ready_life();
    lives.lose("lost", row.loss, At(1s));
    EXPECT_EQ(lives.is_hosts_doing({"killed by signal 9", row.by_host}), row.hosts_doing)
        << "loss " << static_cast<int>(row.loss) << ", by host " << row.by_host;
  }
}

TEST(Lives, ThreeStartsThatFailEndTheRun) {
  Lives lives;
  for (int life = 1; life <= 3; ++life) {
    lives.begin(At(0s));
    lives.began();
    lives.lose("exit code 1", Loss::Crash, At(0s));
    lives.end();
    const Lives::Next next = lives.after("exit code 1", false);
    EXPECT_EQ(next.give_up.has_value(), life == 3);
    EXPECT_EQ(next.pause, pause_after(static_cast<std::uint32_t>(life)));
    if (life == 3) {
      EXPECT_EQ(*next.give_up, "ended 3 times before it was ready (exit code 1)");
    }
  }
}

/// Lives in a row that get ready and are lost, up to the one that ends the run; at most 50.
template <class Live>
int lives_until_give_up(const Live& live) {
  Lives lives;
  for (int life = 1; life <= 50; ++life) {
    lives.begin(At(0s));
    lives.began();
    lives.greeted(At(0s));
    lives.ready(At(0s));
    const bool is_models_affair = live(lives, life);
    lives.lose("killed by signal 9", Loss::Crash, At(1s));
    lives.end();
    if (lives.after("killed by signal 9", is_models_affair).give_up) return life;
  }
  return 0;
}

TEST(Lives, TenFruitlessLivesEndTheRunUnlessAModelIsToBlameOrWorkWasDone) {
  EXPECT_EQ(lives_until_give_up([](Lives&, int) { return false; }), 10);
  EXPECT_EQ(lives_until_give_up([](Lives&, int) { return true; }), 0) << "the model will be set aside";
  EXPECT_EQ(lives_until_give_up([](Lives& lives, int life) {
              if (life == 9) lives.worked(At(1s));
              return false;
            }),
            19)
      << "work begins the count anew";
}

// Workers of other machines: nobody can start one, and nobody sees its end.
TEST(Lives, AwaitedOnesAreWaitedForAndNoLossIsHeldAgainstAModel) {
  Lives lives(Lives::Origin::Awaited);
  for (int life = 1; life <= 50; ++life) {
    lives.begin(At(0s));
    lives.began();
    EXPECT_EQ(lose(lives.look({}, kPatience, At(100h))), nullptr) << "nobody has come yet";
    lives.greeted(At(100h));
    lives.ready(At(100h));
    lives.lose("connection reset", Loss::Crash, At(101h));
    lives.end();
    EXPECT_TRUE(lives.is_hosts_doing({"is gone", false}));
    EXPECT_FALSE(lives.after("is gone", false).give_up);
    EXPECT_EQ(lives.after("is gone", false).pause, 0ms);
  }
  lives.begin(At(0s));
  lives.lose("stood still", Loss::StoodStill, At(1s));
  EXPECT_FALSE(lives.is_hosts_doing({"is gone", true})) << "its unit stood still while it spoke";
}

TEST(Lives, SixForksThatFailEndTheRunAndOneThatSucceedsForgivesThem) {
  Lives lives;
  const auto fails = [&] {
    lives.begin(At(0s));
    return !lives.could_not_begin("no memory").has_value();
  };
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(fails());
  lives.begin(At(0s));
  lives.began();
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(fails());
  EXPECT_TRUE(fails());
}

}  // namespace
}  // namespace hop::hopper
