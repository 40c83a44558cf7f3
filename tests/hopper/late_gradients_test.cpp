#include "hopper/detail/late_gradients.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "kernels/copy.h"

namespace hop::hopper {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

// The first value of the block after each update, if the block of step t is full of t.
std::vector<float> applied(LateGradients& late, std::int64_t steps) {
  const Tensor block = kernels::zeros({5});
  std::vector<float> values;
  for (std::int64_t step = 0; step < steps; ++step) {
    kernels::fill_(block, static_cast<double>(step));
    if (late.swap(block)) values.push_back(block.data<float>()[4]);
  }
  while (late.take(block)) values.push_back(block.data<float>()[4]);
  return values;
}

TEST(LateGradients, ComeInTheirOrderAndAllOfThem) {
  for (const std::uint32_t staleness : {1U, 2U, 3U, 7U}) {
    SCOPED_TRACE(staleness);
    LateGradients late(staleness);
    for (const std::int64_t steps : {0, 1, 2, 5, 6}) {
      std::vector<float> expected;
      for (std::int64_t step = 0; step < steps; ++step) expected.push_back(static_cast<float>(step));
      EXPECT_THAT(applied(late, steps), ElementsAreArray(expected));
    }
  }
}

TEST(LateGradients, WaitAsLongAsIsAsked) {
  LateGradients late(2);
  const Tensor block = kernels::zeros({3});
  EXPECT_FALSE(late.swap(block));
  EXPECT_FALSE(late.swap(block));
  EXPECT_TRUE(late.swap(block));
}

TEST(LateGradients, AreForgottenIfTheirEpochIsBrokenOff) {
  LateGradients late(3);
  const Tensor block = kernels::zeros({5});
  kernels::fill_(block, 9);
  static_cast<void>(late.swap(block));
  late.clear();
  EXPECT_THAT(applied(late, 2), ElementsAre(0, 1));
}

}  // namespace
}  // namespace hop::hopper
