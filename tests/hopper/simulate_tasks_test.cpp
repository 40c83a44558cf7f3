// Task parallelism, and tasks of replicas, on the simulated cluster: the same faults as in simulate_test.cpp, other
// units and other leases. The judge computes the weights of the calm run partition by partition, as it does for
// hopping. HOP_SIMULATE_SEEDS runs more seeds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>

#include "hopper/simulate/run.h"
#include "hopper/simulate/simulation.h"
#include "tests/hopper/many_seeds.h"

namespace hop::hopper::simulate {
namespace {

TEST(SimulatedTasks, WhateverFailsEachEpochCountsOnceAndTheWeightsAreThoseOfTheCalmRun) {
  expect_promises_kept(seeds(2000), [](std::uint64_t seed) { return as_tasks(draw_scenario(seed)); });
}

// The owner of rows may be gone, or out of reach: the unit is given back and tried again.
TEST(SimulatedTasks, ThatReadRowsOfOthersKeepTheirPromises) {
  const auto draw = [](std::uint64_t seed) { return as_scattered_tasks(draw_scenario(seed)); };
  expect_promises_kept(seeds(2000) / 2, draw);
  std::uint64_t given_back = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) given_back += Simulation(draw(seed)).run().members_lost;
  EXPECT_GT(given_back, 10U);
}

TEST(SimulatedReplicas, WhateverFailsEachEpochCountsOnceAndTheWeightsAreThoseOfTheCalmRun) {
  expect_promises_kept(seeds(2000) / 2, [](std::uint64_t seed) { return as_replicas(draw_scenario(seed)); });
}

TEST(SimulatedReplicas, BeginWithTheFirstPartition) {
  const auto begins_elsewhere = [](Coordinator& c, const Event& event, Time now) {
    std::vector<Action> actions = c.step(event, now);
    for (Action& action : actions) {
      auto* sent = std::get_if<action::SendLease>(&action);
      if (sent != nullptr) sent->lease.partition = PartitionId{1};
    }
    return actions;
  };
  std::uint64_t seed = 0;
  while (draw_scenario(seed).itinerary.partitions == 1) ++seed;
  const Scenario scenario = as_replicas(draw_scenario(seed));
  EXPECT_THAT([&] { Simulation(scenario, begins_elsewhere).run(); },
              testing::ThrowsMessage<Violation>(testing::HasSubstr("the order of visits is fixed")));
}

// 1923: a state that was lost and that a clone begins with was trained again on another worker; its old place was
// forgotten. 7006: a clone was sent to a state that was taken for lost.
TEST(SimulatedTasks, KeepTheirPromisesWhereTheyOnceBrokeThem) {
  for (const std::uint64_t seed : {1923U, 7006U})
    EXPECT_NO_THROW(Simulation(as_tasks(draw_scenario(seed))).run()) << seed;
}

TEST(SimulatedTasks, MeetEveryKindOfTrouble) {
  Summary all;
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const Summary one = Simulation(as_tasks(draw_scenario(seed))).run();
    for (const auto count :
         {&Summary::hops, &Summary::deaths, &Summary::cuts, &Summary::crashes, &Summary::stops, &Summary::adopted,
          &Summary::stale, &Summary::cancelled, &Summary::condemned, &Summary::lost, &Summary::rollbacks,
          &Summary::retrained, &Summary::blackouts, &Summary::erred, &Summary::torn, &Summary::stopped,
          &Summary::paused, &Summary::clones, &Summary::relearned}) {
      all.*count += one.*count;
    }
  }
  std::cout << "4000 seeds: " << all.hops << " hops, " << all.deaths << " deaths, " << all.crashes << " crashes, "
            << all.rollbacks << " rollbacks, " << all.retrained << " epochs trained again, " << all.clones
            << " clones\n";
  for (const std::uint64_t times : {all.hops, all.deaths, all.cuts, all.crashes, all.stops, all.adopted, all.stale,
                                    all.cancelled, all.condemned, all.lost, all.rollbacks, all.retrained, all.blackouts,
                                    all.erred, all.torn, all.stopped, all.paused, all.clones, all.relearned}) {
    EXPECT_GE(times, 10U);
  }
}

TEST(SimulatedTasks, BeginWhereHoppingBegins) {
  const auto begins_elsewhere = [](Coordinator& c, const Event& event, Time now) {
    std::vector<Action> actions = c.step(event, now);
    for (Action& action : actions) {
      auto* sent = std::get_if<action::SendLease>(&action);
      if (sent != nullptr) sent->lease.partition = c.ledger().itinerary().spread().after(sent->lease.partition, 1);
    }
    return actions;
  };
  std::uint64_t seed = 0;
  while (draw_scenario(seed).itinerary.partitions == 1) ++seed;
  const Scenario scenario = as_tasks(draw_scenario(seed));
  EXPECT_THAT([&] { Simulation(scenario, begins_elsewhere).run(); },
              testing::ThrowsMessage<Violation>(testing::HasSubstr("the order of visits is fixed")));
}

Experiment experiment(const char* strategy, std::int64_t models) {
  Experiment e;
  e.seed = 5;
  e.data.partitions = 8;
  e.run.workers = 4;
  e.run.strategy = strategy;
  e.search.epochs = 3;
  Choices all;
  for (std::int64_t i = 0; i < models; ++i) all.emplace_back(i);
  e.search.space = {{"i", all}};
  return e;
}

TEST(SimulatedTasks, TakeAsLongAsHoppingAndStay) {
  const RunReport hops = run(experiment("hopping", 8)), tasks = run(experiment("task_parallel", 8));
  EXPECT_EQ(hops.units, 8U * 3 * 8);
  EXPECT_EQ(tasks.units, 8U * 3);
  EXPECT_NEAR(tasks.makespan_seconds, hops.makespan_seconds, 0.1 * hops.makespan_seconds);
  EXPECT_GE(hops.hops, 8U * (3 * 4 - 1));
  EXPECT_LE(hops.hops, 8U * 3 * 4);
  EXPECT_LE(tasks.hops, 4U) << "of models that idle workers took over at the end";
}

// Nine models for four workers: one worker has three, until the others are through.
TEST(SimulatedTasks, AreTakenOverByIdleWorkers) {
  const RunReport tasks = run(experiment("task_parallel", 9), {.jitter = 0});
  EXPECT_GE(tasks.hops, 1U);
  EXPECT_LT(tasks.makespan_seconds, 3 * 3 * 8) << "less than three whole models on one worker";
}

}  // namespace
}  // namespace hop::hopper::simulate
