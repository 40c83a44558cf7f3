#include "hopper/detail/unit_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hopper/strategy/data_parallel.h"
#include "hopper/strategy/group_hopping.h"

namespace hop::hopper {
namespace {

using ::testing::ElementsAre;

Group group_of(const std::shared_ptr<const Strategy>& strategy, const ReplicaOptions& options) {
  Experiment experiment;
  experiment.run.replicas = options;
  return unit_group(experiment, {6, 3, 1, Order::Fixed, strategy}, PartitionId{0});
}

TEST(UnitGroup, HasOwnersAndTheExchangeOfItsStrategy) {
  const Group ring = group_of(allreduce(), {.reduce_exchange = ReduceExchange::Ring, .servers = 2});
  EXPECT_THAT(ring.owners, ElementsAre(0U, 0U, 1U, 1U, 2U, 2U));
  EXPECT_EQ(ring.exchange, ReduceExchange::Ring);
  EXPECT_EQ(ring.servers, 0U) << "all members";
}

TEST(UnitGroup, OfAveragesHasNoChoiceOfExchange) {
  const Group group = group_of(averaging(), {.reduce_exchange = ReduceExchange::HalvingDoubling});
  EXPECT_EQ(group.exchange, ReduceExchange::Direct);
  EXPECT_EQ(group_of(allreduce(), {.reduce_exchange = ReduceExchange::HalvingDoubling}).exchange,
            ReduceExchange::HalvingDoubling);
  EXPECT_EQ(group_of(allreduce(), {}).exchange, ReduceExchange::Direct);
}

TEST(UnitGroup, HasServersWhereTheStrategyHasThem) {
  EXPECT_EQ(group_of(parameter_server(), {}).servers, 1U);
  const Group two = group_of(parameter_server(), {.reduce_exchange = ReduceExchange::Ring, .servers = 2});
  EXPECT_EQ(two.servers, 2U);
  EXPECT_EQ(two.exchange, ReduceExchange::Direct) << "a server takes no ring";
  EXPECT_EQ(group_of(parameter_server(), {.servers = 9}).servers, 3U);
}

TEST(UnitGroup, OfAnAsynchronousServerTakesNoRing) {
  const Group group = group_of(async_parameter_server(), {.reduce_exchange = ReduceExchange::Ring});
  EXPECT_THAT(group.owners, ElementsAre(0U, 0U, 1U, 1U, 2U, 2U));
  EXPECT_EQ(group.exchange, ReduceExchange::Direct);
}

TEST(UnitGroup, OfHoppingTakesNoRing) {
  const Group group = group_of(std::make_shared<GroupHopping>(4), {.reduce_exchange = ReduceExchange::Ring});
  EXPECT_THAT(group.owners, ElementsAre(0U, 0U, 1U, 1U));
  EXPECT_EQ(group.exchange, ReduceExchange::Direct);
}

}  // namespace
}  // namespace hop::hopper
