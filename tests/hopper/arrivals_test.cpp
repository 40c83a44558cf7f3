// The clocks of an asynchronous parameter server, and the order of its updates as bytes.
#include "hopper/strategy/arrivals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "base/error.h"

namespace hop::hopper {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::ThrowsMessage;

using Order = std::vector<std::uint32_t>;
using Bytes = std::vector<std::uint8_t>;

TEST(Arrivals, AreAnsweredAtOnceWithoutABound) {
  Arrivals arrivals({2, 1});
  EXPECT_TRUE(arrivals.may_compute(0));
  EXPECT_FALSE(arrivals.may_compute(2)) << "there are two";
  EXPECT_THAT(arrivals.apply(0), ElementsAre(0U));
  EXPECT_THAT(arrivals.apply(0), ElementsAre(0U));
  EXPECT_FALSE(arrivals.may_compute(0)) << "it has no more batches";
  EXPECT_FALSE(arrivals.is_over());
  EXPECT_THAT(arrivals.apply(1), ElementsAre(1U));
  EXPECT_TRUE(arrivals.is_over());
  EXPECT_THAT(arrivals.order(), ElementsAre(0U, 0U, 1U));
  EXPECT_THAT(arrivals.ages(), ElementsAre(Pair(0U, 2U), Pair(2U, 1U)));
}

// With 0 all wait for the last one of each clock.
TEST(Arrivals, WaitForTheSlowestWithABound) {
  Arrivals lockstep({2, 2, 1}, 0);
  EXPECT_THAT(lockstep.apply(1), IsEmpty());
  EXPECT_FALSE(lockstep.may_compute(1));
  EXPECT_THAT(lockstep.apply(0), IsEmpty());
  EXPECT_THAT(lockstep.apply(2), ElementsAre(0U, 1U, 2U)) << "the last one has no more batches";
  EXPECT_THAT(lockstep.apply(0), ElementsAre(0U));
  EXPECT_THAT(lockstep.apply(1), ElementsAre(1U));
  EXPECT_TRUE(lockstep.is_over());
  EXPECT_THAT(lockstep.ages(), ElementsAre(Pair(0U, 2U), Pair(1U, 2U), Pair(2U, 1U)));

  Arrivals one({9, 9}, 1);
  EXPECT_THAT(one.apply(0), ElementsAre(0U));
  EXPECT_THAT(one.apply(0), IsEmpty()) << "two ahead of replica 1";
  EXPECT_THAT(one.apply(1), ElementsAre(0U, 1U)) << "one ahead";
}

// A replica without batches holds nobody up.
TEST(Arrivals, WaitForNobodyWhoHasNoBatches) {
  Arrivals arrivals({3, 0}, 0);
  for (int i = 0; i < 3; ++i) EXPECT_THAT(arrivals.apply(0), ElementsAre(0U));
  EXPECT_TRUE(arrivals.is_over());
  EXPECT_TRUE(Arrivals({0, 0}).is_over());
}

// In any order of those that may compute: somebody always may, and no two clocks are further apart than is allowed.
TEST(Arrivals, KeepTheBoundInAnyOrder) {
  std::mt19937 random(7);
  for (const std::uint32_t staleness : {0U, 1U, 3U}) {
    for (int round = 0; round < 50; ++round) {
      std::vector<std::int64_t> batches(2 + random() % 4);
      for (std::int64_t& count : batches) count = static_cast<std::int64_t>(random() % 7);
      Arrivals arrivals(batches, staleness);
      while (!arrivals.is_over()) {
        Order may;
        std::int64_t least = 1000, most = 0;
        for (std::uint32_t r = 0; r < batches.size(); ++r) {
          if (arrivals.may_compute(r)) may.push_back(r);
          if (arrivals.clock(r) < batches[r]) least = std::min(least, arrivals.clock(r));
          if (arrivals.clock(r) < batches[r]) most = std::max(most, arrivals.clock(r));
        }
        ASSERT_FALSE(may.empty());
        ASSERT_LE(most - least, std::int64_t{staleness} + 1);
        arrivals.apply(may[random() % may.size()]);
      }
      EXPECT_EQ(ages_of(arrivals.order(), staleness), arrivals.ages());
    }
  }
}

TEST(Arrivals, HaveTheAgesOfTheirOrder) {
  EXPECT_THAT(ages_of(Order{}, {}), IsEmpty());
  EXPECT_THAT(ages_of(Order{0, 1, 2, 0, 1, 2}, {}), ElementsAre(Pair(0U, 1U), Pair(1U, 1U), Pair(2U, 4U)))
      << "p - 1 in turns";
  EXPECT_THAT(ages_of(Order{0, 0, 0, 1}, {}), ElementsAre(Pair(0U, 3U), Pair(3U, 1U)));
}

TEST(Arrivals, TakeAByteForEachOf128Replicas) {
  EXPECT_EQ(encode_arrivals(Order{0, 1, 127}), (Bytes{0, 1, 127}));
  EXPECT_EQ(encode_arrivals(Order{128, 300}), (Bytes{0x80, 1, 0xAC, 2}));
  const Order order = {0, 5, 127, 128, 16'383, 16'384, 99'999};
  EXPECT_EQ(decode_arrivals(encode_arrivals(order), 100'000), order);
  EXPECT_THAT(decode_arrivals(Bytes{}, 3), IsEmpty());
  EXPECT_EQ(most_arrival_bytes(10, 1), 10U);
  EXPECT_EQ(most_arrival_bytes(10, 128), 10U);
  EXPECT_EQ(most_arrival_bytes(10, 129), 20U);
  EXPECT_EQ(most_arrival_bytes(10, 16'385), 30U);
}

TEST(Arrivals, RefuseBytesThatAreNone) {
  const auto decode = [](const Bytes& bytes, std::size_t replicas) {
    return [=] { decode_arrivals(bytes, replicas); };
  };
  EXPECT_THAT(decode({0, 3}, 3), ThrowsMessage<StateError>(HasSubstr("an order of 3 replicas, got replica 3")));
  EXPECT_THAT(decode({0, 0x80}, 300), ThrowsMessage<StateError>(HasSubstr("end in the middle of a number")));
  EXPECT_THAT(decode({0x80, 0x80, 0x80, 0x80, 0x80, 1}, 300),
              ThrowsMessage<StateError>(HasSubstr("a number of more than 32 bits")));
}

}  // namespace
}  // namespace hop::hopper
