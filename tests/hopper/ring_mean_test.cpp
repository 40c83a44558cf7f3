// Means that a ring computes, against loops that spell its order out.
#include "hopper/strategy/ring_mean.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "tests/hopper/member_steps.h"

namespace hop::hopper {
namespace {

// Chunk j is x_{j-1}, plus x_{j-2}, .., plus x_{j+1}, plus x_j, all modulo the members.
Values by_hand(const Step& step, const std::vector<std::uint32_t>& owners, std::uint32_t members) {
  const std::vector<std::optional<Values>> sums = sums_of(step, owners, members);
  const std::size_t size = step.values.front().size(), blocks = (size + 15) / 16;
  Values mean(size);
  for (std::size_t j = 0; j < members; ++j) {
    const std::size_t first = std::min(blocks * j / members * 16, size);
    const std::size_t last = std::min(blocks * (j + 1) / members * 16, size);
    for (std::size_t i = first; i < last; ++i) {
      std::optional<float> sum;
      for (std::size_t back = 1; back <= members; ++back) {
        const std::optional<Values>& x = sums[(j + members - back) % members];
        if (x) sum = sum ? *sum + (*x)[i] : (*x)[i];
      }
      mean[i] = *sum;
    }
  }
  return mean;
}

Group in_a_ring(Group group) {
  group.exchange = ReduceExchange::Ring;
  return group;
}

TEST(RingMean, AddsInTheOrderOfTheRingInAGroupAndAlone) {
  for (const std::uint32_t replicas : {2U, 3U, 4U, 5U, 8U, 13U}) {
    for (std::uint32_t members = 2; members <= std::min(replicas, 5U); ++members) {
      for (const std::size_t size : {std::size_t{1}, std::size_t{33}, std::size_t{400}}) {
        SCOPED_TRACE(std::to_string(replicas) + " replicas, " + std::to_string(members) + " members, " +
                     std::to_string(size) + " values");
        const auto expect = [&](const Group& group) {
          const Tensor place = kernels::zeros({static_cast<std::int64_t>(size)});
          const Tensor buffer = kernels::zeros({3}, DType::f64);
          RingMean mean(place, {buffer}, in_a_ring(group));
          for (std::uint64_t key = 0; key < 4; ++key) {
            const Step step = draw(replicas, size, 97 * key + replicas);
            EXPECT_FALSE(take_part(mean, step, group, place, buffer));
            EXPECT_EQ(values_of(place), by_hand(step, owners_of(replicas, members), members));
            EXPECT_EQ(buffer.data<double>()[2], static_cast<double>(first_with_rows(step)));
          }
        };
        run_group(replicas, members, expect);
        expect({nullptr, owners_of(replicas, members)});
      }
    }
  }
}

TEST(RingMean, HasTheBitsOfTheTreeForTwoMembersAndOthersForMore) {
  const Step step = draw_with_all_rows(4, 400, 7);
  const Values tree = *sum_of(step, 0, 4);
  EXPECT_EQ(by_hand(step, owners_of(4, 2), 2), tree);
  EXPECT_NE(by_hand(step, owners_of(4, 4), 4), tree) << "this is why the docs say that bits depend on the workers";
  EXPECT_NE(by_hand(step, owners_of(4, 3), 3), by_hand(step, owners_of(4, 4), 4));
}

TEST(RingMean, EveryMemberHearsThatOneHasLostItsLoss) {
  for (const std::uint32_t loser : {0U, 1U, 2U, 3U}) {
    run_group(4, 4, [&](const Group& group) {
      const Tensor place = kernels::zeros({5});
      RingMean mean(place, {}, in_a_ring(group));
      for (const bool is_lost : {false, true}) {
        mean.begin({true, true, true, true});
        mean.add(0.25);
        EXPECT_EQ(mean.finish(is_lost && group.wire->rank() == loser), is_lost);
      }
    });
  }
}

// 4,096 values are 16 KiB, and 3 numbers of 8 bytes go round with them. A replica without rows changes nothing.
TEST(RingMean, SendsTheBytesOfTheFormula) {
  for (const std::uint32_t members : {2U, 3U, 4U}) {
    for (const bool have_all_rows : {true, false}) {
      const std::uint64_t bytes = run_group(4, members, [&](const Group& group) {
        const Tensor place = kernels::zeros({4096});
        RingMean mean(place, {kernels::zeros({3}, DType::f64)}, in_a_ring(group));
        EXPECT_EQ(mean.bytes(), 4096U * 4);
        std::vector<bool> has_rows(4, true);
        has_rows[2] = have_all_rows;
        mean.begin(has_rows);
        for (std::size_t r = 0; r < 4; ++r) {
          if (group.owns(r)) has_rows[r] ? mean.add(0.25) : mean.skip();
        }
        mean.finish(false);
      });
      EXPECT_EQ(bytes, 2 * (members - 1) * 4096 * 4 + 24 * (members - 1) + 8 * members * (members - 1));
    }
  }
}

TEST(RingMean, TakesOnlyF32) {
  EXPECT_THROW(RingMean(kernels::zeros({4}, DType::f64), {}, {nullptr, {0, 1}}), DtypeError);
}

}  // namespace
}  // namespace hop::hopper
