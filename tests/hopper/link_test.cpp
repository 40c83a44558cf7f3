// How long exchanges take on a network, by formula. Messages: on a network with a latency of a second that carries
// bytes in no time.
#include "hopper/simulate/link.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <set>

#include "hopper/strategy/data_parallel.h"
#include "hopper/strategy/group_hopping.h"

namespace hop::hopper::simulate {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr Link kFarAway{1e18, 1}, kSlow{1000, 0};

// Of one exchange between four members, of gradients of so many bytes.
double messages(std::uint64_t gradients, bool is_synchronised, ReduceExchange exchange = ReduceExchange::Direct) {
  return exchange_seconds(Replicas::ShareGradients, {4, 4, exchange, is_synchronised}, 2 * 3 * gradients, 1, kFarAway);
}

TEST(Link, GradientsBehindSynchronisedLayersHaveNoBuckets) {
  EXPECT_NEAR(messages(16 * kMiB, false), 2 * 8, 1e-6) << "eight buckets";
  EXPECT_NEAR(messages(16 * kMiB, true), 1 + 2, 1e-6) << "the members first meet at the end of the step";
  EXPECT_NEAR(messages(1000, false), 2, 1e-6);
  EXPECT_NEAR(messages(1000, true), 2, 1e-6) << "few bytes fit into a connection";
  EXPECT_NEAR(messages(kMiB, true, ReduceExchange::Ring), 1 + 6, 1e-6);
  EXPECT_NEAR(messages(kMiB, true, ReduceExchange::HalvingDoubling), 1 + 4, 1e-6);
}

// Of a step of the unit that begins with `first`, in one bucket.
double messages(const std::shared_ptr<const Strategy>& strategy, const Spread& spread, std::uint32_t servers,
                PartitionId first = PartitionId(0)) {
  const auto members = static_cast<std::uint32_t>(strategy->members(spread, first).size());
  const Sharing sharing{.members = members, .servers = servers, .is_pair = is_pair(*strategy, spread, first)};
  return exchange_seconds(Replicas::ShareGradients, sharing, 1000, 1, kFarAway);
}

// A worker with several sums takes part in a reduce-scatter and an all-gather, as do servers.
TEST(Link, TakesOneMessageInAPair) {
  const std::set<std::uint32_t> pairs{2, 3, 4, 7, 8, 15, 16};
  for (std::uint32_t p = 2; p <= 16; ++p) {
    EXPECT_NEAR(messages(allreduce(), {p, 2}, 2), pairs.contains(p) ? 1 : 2, 1e-6) << p << " partitions";
    EXPECT_NEAR(messages(parameter_server(), {p, 2}, 2), 2, 1e-6) << p << " partitions";
    EXPECT_NEAR(messages(parameter_server(), {p, 2}, 1), 2, 1e-6) << p << " partitions";
  }
  EXPECT_NEAR(messages(allreduce(), {3, 3}, 3), 2, 1e-6);
  EXPECT_NEAR(messages(allreduce(), {2, 4}, 2), 1, 1e-6) << "two workers have no partition";
}

// Six partitions of three workers, two each, in blocks of three.
TEST(Link, TakesOneMessageInABlockThatIsAPair) {
  const auto strategy = std::make_shared<GroupHopping>(3);
  EXPECT_NEAR(messages(strategy, {6, 3}, 2), 1, 1e-6) << "of workers 0, 0 and 1";
  EXPECT_NEAR(messages(strategy, {6, 3}, 2, PartitionId(3)), 2, 1e-6) << "of workers 1, 2 and 2";
}

TEST(Link, CarriesStatisticsOnAllLinksAtOnce) {
  EXPECT_NEAR(statistics_seconds(4, 8000, 12, kSlow), 2, 1e-9);
  EXPECT_NEAR(statistics_seconds(4, 8000, 12, kFarAway), 12, 1e-6) << "a latency for each meeting";
  EXPECT_EQ(statistics_seconds(1, 0, 12, kFarAway), 0) << "one worker meets itself";
}

}  // namespace
}  // namespace hop::hopper::simulate
