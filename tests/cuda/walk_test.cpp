// The index arithmetic that all strided kernels share.
#include "kernels/cuda/walk.h"

#include <gtest/gtest.h>

#include <vector>

namespace hop::kernels::cuda {
namespace {

TEST(FastDivision, IsExactAtTheEdgesOfEveryQuotient) {
  std::vector<std::uint32_t> divisors = {1, 2, 3, 5, 7, 10, 31, 32, 33, 641, 65535, 65536, 65537, 1000003, 2147483647};
  for (const std::uint32_t d : divisors) {
    const FastDivision division(d);
    for (const std::uint64_t q : {0ULL, 1ULL, 2ULL, 1000ULL, 2147483647ULL / d}) {
      for (const std::int64_t near : {-1, 0, 1}) {
        const std::int64_t n = static_cast<std::int64_t>(q * d) + near;
        if (n < 0 || n > 2147483647) continue;
        ASSERT_EQ(division.quotient(static_cast<std::uint32_t>(n)), static_cast<std::uint32_t>(n) / d)
            << n << " / " << d;
      }
    }
  }
  EXPECT_EQ(FastDivision(2147483648U).quotient(2147483647), 0U);
}

// Parts of a walk must cover every element once, at its place.
TEST(Steps, AreCutIntoPartsThatCoverEveryElementOnce) {
  const Shape shape = {7, 5, 12};
  const Walk<1> walk(shape, {Strides{200, 30, 2}}, 1);  // bytes, with gaps
  const Steps<1> steps(walk);
  for (const std::int64_t most : {1, 4, 11, 12, 59, 60, 419, 420}) {
    std::vector<int> seen(2000, 0);
    const std::int64_t start[] = {0};
    for_each_part(steps, most, 1, start, [&](const Steps<1>& part, const std::int64_t(&offset)[1]) {
      EXPECT_LE(part.elements(), most);
      const IndexWalk<1> device_walk = part.in_units(1);
      for (std::int64_t i = 0; i < part.elements(); ++i) {
        std::int64_t at[1];
        device_walk.locate(static_cast<std::uint32_t>(i), at);
        ++seen[static_cast<std::size_t>(offset[0] + at[0])];
      }
    });
    for (std::int64_t i = 0; i < 7 * 5 * 12; ++i) {
      const auto at = static_cast<std::size_t>(i / 60 * 200 + i / 12 % 5 * 30 + i % 12 * 2);
      ASSERT_EQ(seen[at], 1) << "element " << i << " in parts of " << most;
      seen[at] = 0;
    }
    EXPECT_EQ(std::count(seen.begin(), seen.end(), 0), 2000);
  }
}

TEST(Steps, AreCutBetweenPackets) {
  const Walk<1> walk(Shape{1000}, {Strides{4}}, 1);
  const std::int64_t start[] = {0};
  std::int64_t covered = 0;
  for_each_part(Steps<1>(walk), 300, 4, start, [&](const Steps<1>& part, const std::int64_t(&offset)[1]) {
    EXPECT_EQ(offset[0], 4 * covered);
    EXPECT_EQ(offset[0] % 16, 0);
    covered += part.elements();
  });
  EXPECT_EQ(covered, 1000);
}

}  // namespace
}  // namespace hop::kernels::cuda
