// The worked example: how a kernel is tested over the executor. Odd sizes, every schedule, the same bits, an
// independent golden value.
#include "tests/simt/row_sum.h"

#include <gtest/gtest.h>

#include "tests/cuda/schedules.h"
#include "tests/simt/device_array.h"

namespace hop::simt {
namespace {

using testing::DeviceArray;
using testing::same_bits_in_every_schedule;

class RowSum : public ::testing::TestWithParam<int> {};

TEST_P(RowSum, AddsEveryElementOnceInEverySchedule) {
  const int rows = 3, columns = GetParam();
  std::vector<float> x(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17);
  std::vector<float> golden(3, 0.0F);  // small integers: exact in every order
  for (std::size_t i = 0; i < x.size(); ++i) golden[i / static_cast<std::size_t>(columns)] += x[i];

  const auto sums = same_bits_in_every_schedule([&] {
    const DeviceArray<float> in(x), out(static_cast<std::size_t>(rows));
    kernels::cuda::row_sum(in.data(), out.data(), rows, columns, nullptr);
    return out.to_host();
  });
  EXPECT_EQ(sums, golden);
}

INSTANTIATE_TEST_SUITE_P(OddSizes, RowSum, ::testing::Values(1, 31, 32, 33, 127, 128, 129, 1023, 1031));

}  // namespace
}  // namespace hop::simt
