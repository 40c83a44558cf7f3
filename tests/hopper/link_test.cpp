// How long exchanges take on a network, by formula. Messages: on a network with a latency of a second that carries
// bytes in no time.
#include "hopper/simulate/link.h"

#include <gtest/gtest.h>

#include <cstdint>

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

TEST(Link, CarriesStatisticsOnAllLinksAtOnce) {
  EXPECT_NEAR(statistics_seconds(4, 8000, 12, kSlow), 2, 1e-9);
  EXPECT_NEAR(statistics_seconds(4, 8000, 12, kFarAway), 12, 1e-6) << "a latency for each meeting";
  EXPECT_EQ(statistics_seconds(1, 0, 12, kFarAway), 0) << "one worker meets itself";
}

}  // namespace
}  // namespace hop::hopper::simulate
