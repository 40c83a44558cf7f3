// The executor finds every planted bug, and reports nothing for the correct twin.
//
// A race shows as results that change with the schedule. Under ThreadSanitizer a program that races ends with a report.
// So there it runs as a program of its own, and the report is expected. AddressSanitizer reports a store outside
// dynamic shared memory or a buffer in the same way.
#include "tests/simt/planted_bugs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "tests/cuda/schedules.h"
#include "tests/simt/device_array.h"

namespace hop::simt {
namespace {

using ::testing::AllOf;
using testing::DeviceArray;
using testing::for_each_schedule;
using ::testing::HasSubstr;
using testing::same_bits_in_every_schedule;
using Floats = std::vector<float>;

Floats counting(int n, float first = 0) {
  Floats values(static_cast<std::size_t>(n));
  std::iota(values.begin(), values.end(), first);
  return values;
}

// The message of the KernelError that f() throws; "" if it throws none.
template <class E>
std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

#if defined(__SANITIZE_THREAD__)
// ThreadSanitizer ends the program with this status after a report.
void expect_race(const std::function<Floats()>& f, const char* where) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto all = [&] {
    for_each_schedule([&] { f(); });
    std::exit(0);
  };
  EXPECT_EXIT(all(), ::testing::ExitedWithCode(66), std::string("data race(.|\n)*") + where);
}
#else
void expect_race(const std::function<Floats()>& f, const char*) {
  std::set<std::vector<unsigned>> results;  // bits: a NaN is no more and no less than anything
  for_each_schedule([&] {
    std::vector<unsigned> bits;
    for (const float value : f()) bits.push_back(__float_as_uint(value));
    results.insert(bits);
  });
  EXPECT_GT(results.size(), 1U) << "the same in every schedule";
}
#endif

#if defined(__SANITIZE_ADDRESS__)
void expect_overrun(const std::function<void()>& f, const char*) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(f(), "AddressSanitizer");
}
#else
void expect_overrun(const std::function<void()>& f, const char* message) {
  EXPECT_THAT(message_of<OverrunError>(f), HasSubstr(message));
}
#endif

// ---- Races

TEST(PlantedBug, ARemovedBarrierChangesTheResultWithTheSchedule) {
  const auto rotate = [](bool bug) {
    const DeviceArray<float> x(counting(100)), y(100);
    kernels::cuda::rotate(bug, x.data(), y.data(), 100);
    return y.to_host();
  };
  expect_race([&] { return rotate(true); }, "planted_bugs.cu");
  Floats golden = counting(100, 1);
  golden.back() = 0;
  EXPECT_EQ(same_bits_in_every_schedule([&] { return rotate(false); }), golden);
}

TEST(PlantedBug, ABufferReusedWithoutABarrierChangesTheResultWithTheSchedule) {
  const auto rotate = [](bool bug) {
    const DeviceArray<float> a(counting(64)), b(counting(64, 100)), y(64);
    kernels::cuda::rotate_twice(bug, a.data(), b.data(), y.data(), 64);
    return y.to_host();
  };
  expect_race([&] { return rotate(true); }, "planted_bugs.cu");
  EXPECT_EQ(same_bits_in_every_schedule([&] { return rotate(false); })[3], 4.0F + 104.0F);
}

TEST(PlantedBug, ARemovedWarpBarrierChangesTheResultWithTheSchedule) {
  const auto reverse = [](bool bug) {
    const DeviceArray<float> x(counting(32)), y(32);
    kernels::cuda::reverse_warp(bug, x.data(), y.data());
    return y.to_host();
  };
  expect_race([&] { return reverse(true); }, "planted_bugs.cu");
  EXPECT_EQ(same_bits_in_every_schedule([&] { return reverse(false); })[5], 26.0F);
}

TEST(PlantedBug, BlocksThatWriteTheSamePlaceChangeTheResultWithTheSchedule) {
  const auto iota = [](bool bug) {
    const DeviceArray<float> y(3 * 64);
    kernels::cuda::iota_of_blocks(bug, y.data(), 3);
    Floats values = y.to_host();
    values.resize(64);
    return values;
  };
  expect_race([&] { return iota(true); }, "planted_bugs.cu");
  EXPECT_EQ(same_bits_in_every_schedule([&] { return iota(false); }), counting(64));
}

TEST(PlantedBug, AnAtomicAdditionCountsEveryThread) {
  const auto count = [](bool bug) {
    const DeviceArray<unsigned> counter(std::vector<unsigned>{0});
    kernels::cuda::count_threads(bug, counter.data(), 7);
    return Floats{static_cast<float>(counter.to_host()[0])};
  };
#if defined(__SANITIZE_THREAD__)  // threads that take turns lose no addition: only a race check sees it
  expect_race([&] { return count(true); }, "planted_bugs.cu");
#endif
  EXPECT_EQ(same_bits_in_every_schedule([&] { return count(false); }), Floats{7 * 64});
}

// ---- Memory

TEST(PlantedBug, AStoreBehindTheEndOfABufferIsFound) {
  for (const int n : {1, 31, 64, 1023}) {
    const auto size = static_cast<std::size_t>(n);
    expect_overrun(
        [&] {
          const DeviceArray<float> y(size);
          kernels::cuda::iota(true, y.data(), n);
        },
        "[iota_kernel] expected stores within buffers, got one 0 bytes behind the end of buffer ");
    const DeviceArray<float> y(size);
    kernels::cuda::iota(false, y.data(), n);
    EXPECT_EQ(y.to_host(), counting(n));
  }
}

TEST(PlantedBug, AStoreBeforeTheStartOfABufferIsFound) {
  expect_overrun(
      [] {
        const DeviceArray<float> y(33);
        kernels::cuda::iota_from_below(true, y.data(), 33);
      },
      "got one 4 bytes before the start of buffer ");
  const DeviceArray<float> y(33);
  kernels::cuda::iota_from_below(false, y.data(), 33);
  EXPECT_EQ(y.to_host(), counting(33));
}

TEST(PlantedBug, AStoreBehindDynamicSharedMemoryIsFound) {
  for (const int n : {1, 33, 64}) {
    const DeviceArray<float> x(counting(n)), y(static_cast<std::size_t>(n));
    const std::string message = "[copy_through_shared_kernel] expected stores within " + std::to_string(4 * n) +
                                " bytes of dynamic shared memory, got one at byte " + std::to_string(4 * n) +
                                " (block (0, 0, 0) of " + std::to_string(n + 1) + " x 1 x 1 threads)";
    expect_overrun([&] { kernels::cuda::copy_through_shared(true, x.data(), y.data(), n); }, message.c_str());
    kernels::cuda::copy_through_shared(false, x.data(), y.data(), n);
    EXPECT_EQ(y.to_host(), counting(n));
  }
}

TEST(PlantedBug, SharedMemoryThatNobodyWroteReadsAsNaN) {
  const DeviceArray<float> y(1);
  for_each_schedule([&] {
    kernels::cuda::read_shared(false, y.data());
    EXPECT_EQ(y.to_host()[0], 3.0F);
    kernels::cuda::read_shared(true, y.data());
    EXPECT_TRUE(std::isnan(y.to_host()[0]));
  });
}

// ---- Warps

TEST(PlantedBug, ALaneOutsideItsOwnMaskIsReported) {
  const DeviceArray<float> x(counting(32)), y(32);
  for_each_schedule([&] {
    EXPECT_THAT(
        message_of<DivergenceError>([&] { kernels::cuda::half_warp_sums(true, x.data(), y.data()); }),
        AllOf(HasSubstr("[half_warp_sums_kernel] expected a lane within its own mask, got mask 0x0000ffff at lane "),
              HasSubstr("__shfl_xor_sync at planted_bugs.cu:")));
    kernels::cuda::half_warp_sums(false, x.data(), y.data());
    EXPECT_EQ(y.to_host()[0], 120.0F);
    EXPECT_EQ(y.to_host()[31], 376.0F);
  });
}

TEST(PlantedBug, AValueFromALaneOutsideTheMaskIsNaN) {
  const DeviceArray<float> x(counting(32)), y(1);
  kernels::cuda::sum_beyond_mask(true, x.data(), y.data());
  EXPECT_TRUE(std::isnan(y.to_host()[0]));
  kernels::cuda::sum_beyond_mask(false, x.data(), y.data());
  EXPECT_EQ(y.to_host()[0], 496.0F);
}

TEST(PlantedBug, AValueFromALaneThatHasEndedIsNaN) {
  const DeviceArray<float> y(1);
  kernels::cuda::sum_of_some(true, y.data(), 20);
  EXPECT_TRUE(std::isnan(y.to_host()[0]));
  kernels::cuda::sum_of_some(false, y.data(), 20);
  EXPECT_EQ(y.to_host()[0], 20.0F);
}

TEST(PlantedBug, ALaneMissingFromAWarpOperationIsReported) {
  const DeviceArray<float> y(32);
  for_each_schedule([&] {
    EXPECT_THAT(
        message_of<DivergenceError>([&] { kernels::cuda::shuffle_without_lane_5(true, y.data()); }),
        AllOf(
            HasSubstr("[shuffle_kernel] expected threads that meet, got thread 5 in __syncthreads at planted_bugs.cu:"),
            HasSubstr("threads 0-4, 6-31 in __shfl_sync at planted_bugs.cu:"), HasSubstr("mask 0xffffffff")));
  });
  kernels::cuda::shuffle_without_lane_5(false, y.data());
  EXPECT_EQ(y.to_host(), Floats(32, 0.0F));
}

// ---- Blocks

TEST(PlantedBug, ADivergentBarrierIsReportedWithBothPlaces) {
  const DeviceArray<float> y(64);
  for_each_schedule([&] {
    EXPECT_THAT(
        message_of<DivergenceError>([&] { kernels::cuda::meet(true, y.data()); }),
        ::testing::MatchesRegex(".meet_kernel. expected every thread of the block at one barrier, got thread 0 in "
                                "__syncthreads at planted_bugs.cu:[0-9]+ and thread 32 in __syncthreads at "
                                "planted_bugs.cu:[0-9]+ .block .0, 0, 0. of 64 x 1 x 1 threads."));
  });
  kernels::cuda::meet(false, y.data());
  EXPECT_EQ(y.to_host(), Floats(64, 1.0F));
}

TEST(PlantedBug, AKernelThatThrowsIsReportedWithItsMessage) {
  const DeviceArray<float> y(64);
  EXPECT_THAT(
      message_of<ThrowError>([&] { kernels::cuda::set_one(true, y.data()); }),
      HasSubstr("[set_one_kernel] expected a kernel that does not throw, got \"no such thing on a GPU\" (block "));
  kernels::cuda::set_one(false, y.data());  // and the executor goes on
  EXPECT_EQ(y.to_host(), Floats(64, 1.0F));
}

}  // namespace
}  // namespace hop::simt
