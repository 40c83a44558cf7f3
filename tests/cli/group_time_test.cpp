// What groups exchange, by formula, from measured runs that did not go straight on: each test tells a ledger a story.
// Four partitions of 64 rows: two steps, in each of which a replica shares 1,000 bytes. The link carries as many in a
// second.
#include "cli/group_time.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "hopper/ledger.h"

namespace hop::cli {
namespace {

using hopper::Ledger;
namespace record = hopper::record;

constexpr hopper::simulate::Link kLink{1000, 0};

hopper::Experiment experiment(const std::string& strategy, std::uint32_t group) {
  hopper::Experiment e;
  e.run.strategy = strategy;
  e.run.replicas.group = group;
  e.run.workers = 4;
  return e;
}

// One model, of which nothing is trained yet.
Ledger begun(const hopper::Experiment& e, std::uint32_t workers) {
  Ledger ledger(hopper::Itinerary{4, workers, 3, hopper::Order::Fixed, hopper::strategy_of(e)});
  ledger.apply(record::Reserve{Attempt{1000}});
  ledger.apply(record::Asked{.model = ModelId{0}, .config = {}, .epochs = 3});
  ledger.apply(record::Ticked{0, 1});
  return ledger;
}

// The next unit. `exchanged`: what a group sent for it.
void train(Ledger& ledger, double loss = 1, std::uint64_t exchanged = 0) {
  const hopper::Model& model = ledger.model(ModelId{0});
  record::Commit commit;
  commit.model = model.id;
  commit.unit = model.next_unit();
  commit.partition = model.candidates.at(0);
  commit.worker = ledger.itinerary().only_worker(commit.partition).value_or(WorkerId{0});
  commit.attempt = Attempt{1 + model.version.value};
  commit.parent = model.digest;
  commit.digest = {number_of(model.next_unit()), 1};
  commit.metrics.train_loss = loss;
  commit.metrics.rows = 64 * ledger.itinerary().passes(commit.partition).size();
  commit.metrics.seconds = 8;
  commit.metrics.shared_bytes = 2 * 1000;
  if (exchanged > 0) commit.metrics.exchange_bytes = exchanged;
  ledger.apply(commit);
}

hopper::Results results_of(const Ledger& ledger, const hopper::Experiment& e) {
  hopper::Results results = hopper::summarize(ledger, hopper::Objective::TrainLoss);
  results.strategy = e.run.strategy.name();
  return results;
}

void expect_exchange_of_two(const hopper::Results& measured, const hopper::Experiment& e) {
  const auto exchange = block_exchange(measured, e, 4, kLink);
  ASSERT_TRUE(exchange);
  for (const std::uint32_t first : {0, 2}) {
    const hopper::simulate::UnitExchange unit = (*exchange)({}, PartitionId{first});
    EXPECT_DOUBLE_EQ(unit.bytes, 2 * 2 * 1000) << "two steps, to the other one and back";
    EXPECT_DOUBLE_EQ(unit.seconds, 2) << "each link carries half of them";
  }
}

TEST(GroupTime, OfBlocksTakesTheWholeEpochsOfARunThatWasInterrupted) {
  const hopper::Experiment e = experiment("hopping", 2);
  Ledger ledger = begun(e, 1);
  train(ledger);
  EXPECT_FALSE(block_exchange(results_of(ledger, e), e, 4, kLink)) << "half an epoch";
  train(ledger);
  expect_exchange_of_two(results_of(ledger, e), e);
  train(ledger);
  ASSERT_EQ(results_of(ledger, e).shared_bytes, 3U * 2000) << "one and a half epochs";
  expect_exchange_of_two(results_of(ledger, e), e);
}

TEST(GroupTime, OfBlocksCountsUnitsOnceThatWereTrainedAgain) {
  const hopper::Experiment e = experiment("hopping", 2);
  Ledger ledger = begun(e, 1);
  for (int unit = 0; unit < 2; ++unit) train(ledger);
  ledger.apply(record::Rollback{ModelId{0}, Version{0}, {}, Attempt{0}, "lost"});
  for (int unit = 0; unit < 2; ++unit) train(ledger);
  ASSERT_EQ(ledger.retrained(), 2U);
  ASSERT_EQ(results_of(ledger, e).shared_bytes, 4U * 2000);
  expect_exchange_of_two(results_of(ledger, e), e);
}

// An epoch of allreduce is a unit. A lost loss ends the second one after its first step.
TEST(GroupTime, TakesTheWholeEpochsOfAModelThatDiverged) {
  const hopper::Experiment e = experiment("allreduce", 1);
  Ledger ledger = begun(e, 1);
  EXPECT_FALSE(group_time(results_of(ledger, e), e, 4, kLink)) << "nothing was measured";
  train(ledger);
  const auto before = group_time(results_of(ledger, e), e, 4, kLink);
  train(ledger, std::numeric_limits<double>::infinity());
  const auto after = group_time(results_of(ledger, e), e, 4, kLink);
  for (const auto& time : {before, after}) {
    ASSERT_TRUE(time);
    EXPECT_EQ(time->bytes, 2U * 3 * 2000) << "2 (W - 1) times what a replica shares";
    EXPECT_DOUBLE_EQ(time->exchange_seconds, 3) << "on four links";
    EXPECT_DOUBLE_EQ(time->seconds, 8.0 / 4 + 3) << "each worker computes one of four replicas";
    EXPECT_FALSE(time->is_exchange_measured);
  }
}

TEST(GroupTime, AddsNoExchangeToTimesThatHaveOne) {
  const hopper::Experiment e = experiment("allreduce", 1);
  Ledger ledger = begun(e, 4);
  train(ledger, 1, 12'000);
  const hopper::Results measured = results_of(ledger, e);
  EXPECT_TRUE(had_groups(measured));
  const auto time = group_time(measured, e, 4, kLink);
  ASSERT_TRUE(time);
  EXPECT_DOUBLE_EQ(time->seconds, 8) << "the same workers";
  EXPECT_DOUBLE_EQ(time->exchange_seconds, 3);
  EXPECT_TRUE(time->is_exchange_measured);
}

TEST(GroupTime, OfBlocksIsWhatWasSimulated) {
  hopper::simulate::RunReport without, with;
  without.makespan_seconds = 10;
  with.makespan_seconds = 12;
  with.exchange_bytes = 7;
  hopper::Results measured;
  const GroupTime longer = block_time(measured, without, with);
  EXPECT_EQ(longer.seconds, 12);
  EXPECT_EQ(longer.exchange_seconds, 2);
  EXPECT_EQ(longer.bytes, 7U);
  EXPECT_FALSE(longer.is_exchange_measured);
  with.makespan_seconds = 9;
  EXPECT_EQ(block_time(measured, without, with).seconds, 9) << "longer units met a better order";
  EXPECT_EQ(block_time(measured, without, with).exchange_seconds, 0);
  with.makespan_seconds = 12;
  measured.network.gradient = 1;
  EXPECT_EQ(block_time(measured, without, with).seconds, 10) << "these units have their exchange";
  EXPECT_EQ(block_time(measured, without, with).exchange_seconds, 2);
  EXPECT_TRUE(block_time(measured, without, with).is_exchange_measured);
}

}  // namespace
}  // namespace hop::cli
