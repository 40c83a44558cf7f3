// Groups on the simulated cluster: members die in the middle of a unit, cannot reach each other, and come back.
// HOP_SIMULATE_SEEDS runs more seeds of SimulatedReplicas (simulate_tasks_test.cpp), whose units groups train.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "hopper/simulate/run.h"
#include "hopper/simulate/simulation.h"
#include "tests/hopper/many_seeds.h"

namespace hop::hopper::simulate {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// The first scenario whose models groups train.
Scenario with_groups() {
  std::uint64_t seed = 0;
  while (draw_scenario(seed).itinerary.workers < 2) ++seed;
  return as_replicas(draw_scenario(seed));
}

TEST(SimulatedGroups, LoseMembersAndGoOn) {
  Summary all;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const Summary one = Simulation(as_replicas(draw_scenario(seed))).run();
    for (const auto count : {&Summary::members_lost, &Summary::abandoned, &Summary::deaths, &Summary::crashes,
                             &Summary::stale, &Summary::condemned, &Summary::partitions}) {
      all.*count += one.*count;
    }
  }
  for (const std::uint64_t times :
       {all.members_lost, all.abandoned, all.deaths, all.crashes, all.stale, all.condemned, all.partitions}) {
    EXPECT_GE(times, 10U);
  }
}

TEST(SimulatedGroups, KeepTheirPromisesWithCopiesToo) {
  expect_promises_kept(300, [](std::uint64_t seed) { return with_copies(as_replicas(draw_scenario(seed))); });
}

// Several groups train at the same time, and workers that own whole blocks train alone beside them.
TEST(SimulatedGroups, KeepTheirPromisesWhereModelsHopBetweenThem) {
  expect_promises_kept(seeds(10000), [](std::uint64_t seed) { return as_group_hopping(draw_scenario(seed)); });
  expect_promises_kept(300, [](std::uint64_t seed) { return with_copies(as_group_hopping(draw_scenario(seed))); });
}

// A member gives its unit back because the source of the parent is gone, and the others abandon it.
TEST(SimulatedGroups, KeepTheirPromisesOnSlowLinks) {
  std::uint64_t given_up = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    for (const auto draw : {as_replicas, as_group_hopping}) {
      const Scenario scenario = with_slow_links(with_copies(draw(draw_scenario(seed))));
      try {
        given_up += Simulation(scenario).run().hopeless;
      } catch (const std::exception& broken) {
        FAIL() << describe(scenario) << "\n  broken: " << broken.what();
      }
    }
  }
  EXPECT_GE(given_up, 10U);
}

TEST(SimulatedGroups, OfHoppingMeetEveryKindOfTrouble) {
  Summary all;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const Summary one = Simulation(as_group_hopping(draw_scenario(seed))).run();
    for (const auto count : {&Summary::members_lost, &Summary::abandoned, &Summary::deaths, &Summary::crashes,
                             &Summary::stale, &Summary::condemned, &Summary::rollbacks, &Summary::clones}) {
      all.*count += one.*count;
    }
  }
  for (const std::uint64_t times : {all.members_lost, all.abandoned, all.deaths, all.crashes, all.stale, all.condemned,
                                    all.rollbacks, all.clones}) {
    EXPECT_GE(times, 10U);
  }
}

// Several members crash with the unit of a poisonous model. The end of the second one was noticed when its worker had
// been given the unit of another model, which was set aside for it. 4243: the lead's state of an attempt that a member
// had given up was deleted by its name while the next attempt's was on its way to the disk.
TEST(SimulatedGroups, KeepTheirPromisesWhereTheyOnceBrokeThem) {
  for (const std::uint64_t seed : {2132U, 4564U, 5236U, 5888U, 6220U, 4243U}) {
    EXPECT_NO_THROW(Simulation(as_replicas(draw_scenario(seed))).run()) << seed;
  }
}

// A coordinator that forgets to tell the others of a group that is no more.
TEST(SimulatedGroups, TheJudgeSeesWhoIsLeftBehind) {
  const auto forgets = [](Coordinator& c, const Event& event, Time now) {
    std::vector<Action> actions = c.step(event, now);
    std::erase_if(actions, [](const Action& action) {
      const auto* cancel = std::get_if<action::CancelLease>(&action);
      return cancel != nullptr && cancel->abandon;
    });
    return actions;
  };
  const auto run_until_broken = [&] {
    for (std::uint64_t seed = 0; seed < 200; ++seed) Simulation(as_replicas(draw_scenario(seed)), forgets).run();
  };
  EXPECT_THAT(run_until_broken, ThrowsMessage<Violation>(HasSubstr("who trains for a group that is no more is told")));
}

TEST(SimulatedGroups, TheJudgeSeesAMemberInTwoGroups) {
  const auto doubles = [](Coordinator& c, const Event& event, Time now) {
    std::vector<Action> actions = c.step(event, now);
    for (std::size_t i = 0; i < actions.size(); ++i) {
      const auto* sent = std::get_if<action::SendLease>(&actions[i]);
      if (sent == nullptr || sent->lease.is_lead()) continue;
      action::SendLease again = *sent;
      again.lease.rank = 0;
      actions.insert(actions.begin() + static_cast<std::ptrdiff_t>(i) + 1, again);
      break;
    }
    return actions;
  };
  EXPECT_THAT([&] { Simulation(with_groups(), doubles).run(); },
              ThrowsMessage<Violation>(HasSubstr("no member computes for two groups at once")));
}

// Eight partitions on four workers: two replicas for each member. One model after the other.
TEST(SimulatedGroups, ShareTheWorkOfAModel) {
  Experiment e;
  e.data.partitions = 8;
  e.search.epochs = 3;
  e.search.space = {{"i", Choices{std::int64_t{0}, std::int64_t{1}}}};
  const auto seconds = [&](std::uint32_t workers) {
    e.run.workers = workers;
    const RunReport report = run(e, {.jitter = 0, .transfer_seconds = 0, .sync_seconds = 0});
    EXPECT_EQ(report.units, 2U * 3);
    EXPECT_EQ(report.decisions, 2U * 3);
    EXPECT_NEAR(report.utilisation, 1, 0.01);
    return report.makespan_seconds;
  };
  for (const char* strategy : {"allreduce", "averaging"}) {
    SCOPED_TRACE(strategy);
    e.run.strategy = strategy;
    EXPECT_NEAR(seconds(1), 2 * 3 * 8, 0.1);
    EXPECT_NEAR(seconds(4), 2 * 3 * 2, 0.1);
  }
}

// Four models on two groups of two workers, which have work all the time.
TEST(SimulatedGroups, ExchangeBesideTheirPasses) {
  Experiment e;
  e.data.partitions = 4;
  e.search.epochs = 2;
  e.search.space = {{"i", Choices{std::int64_t{0}, std::int64_t{1}, std::int64_t{2}, std::int64_t{3}}}};
  e.run.replicas.group = 2;
  RunOptions calm{.jitter = 0, .transfer_seconds = 0, .sync_seconds = 0};
  RunOptions slow = calm;
  std::uint64_t asked = 0;
  slow.exchange = [&](ModelId, const Config&, PartitionId first) {
    ++asked;
    EXPECT_EQ(first.value % 2, 0U) << "a block has two partitions";
    return UnitExchange{5, first.value == 0 ? 100.0 : 10.0};
  };
  e.run.workers = 4;
  const RunReport with = run(e, slow), without = run(e, calm);
  EXPECT_EQ(with.units, 4U * 2 * 2);
  EXPECT_GE(asked, with.units);
  EXPECT_NEAR(without.makespan_seconds, 8, 0.1);
  EXPECT_NEAR(with.makespan_seconds, 8 * (1 + 5), 0.1);
  EXPECT_EQ(with.exchange_bytes, 4 * 2 * (100 + 10)) << "of each model in each epoch";
  EXPECT_EQ(without.exchange_bytes, 0);
  EXPECT_NEAR(with.utilisation, without.utilisation / 6, 0.01) << "an exchange is no training";
  e.run.workers = 2;
  asked = 0;
  EXPECT_EQ(run(e, slow).makespan_seconds, run(e, calm).makespan_seconds);
  EXPECT_EQ(run(e, slow).exchange_bytes, 0);
  EXPECT_EQ(asked, 0U) << "each worker owns a block";
  slow.exchange = [](ModelId, const Config&, PartitionId) { return UnitExchange{-1, 0}; };
  e.run.workers = 4;
  EXPECT_THAT([&] { run(e, slow); }, ThrowsMessage<ConfigError>(HasSubstr("[simulate] exchange: expected 0")));
}

}  // namespace
}  // namespace hop::hopper::simulate
