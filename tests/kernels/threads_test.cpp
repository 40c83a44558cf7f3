#include "kernels/threads.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cstdint>
#include <thread>
#include <vector>

#include "base/error.h"
#include "kernels/cpu/parallel_internal.h"

namespace hop {
namespace {

TEST(ComputeThreads, AreOneByDefaultAndBelongToTheCallingThread) {
  int here = 0, openmp = 0, other = 0;
  std::thread([&] {
    here = kernels::compute_threads();
    openmp = omp_get_max_threads();
    kernels::set_compute_threads(2);
    std::thread([&] { other = kernels::compute_threads(); }).join();
  }).join();
  EXPECT_EQ(here, 1);
  EXPECT_EQ(openmp, 1);
  EXPECT_EQ(other, 1);
}

TEST(ComputeThreads, SetOpenMpsToo) {
  std::thread([] {
    kernels::set_compute_threads(3);
    EXPECT_EQ(kernels::compute_threads(), 3);
    EXPECT_EQ(omp_get_max_threads(), 3);
  }).join();
  EXPECT_THROW(kernels::set_compute_threads(0), ConfigError);
}

TEST(ParallelFor, CutsAtTheSamePlacesForEveryNumberOfThreads) {
  for (const int threads : {1, 2, 3}) {
    std::thread([threads] {
      kernels::set_compute_threads(threads);
      std::vector<std::int64_t> ends(4, -1);
      kernels::parallel_for(
          100, 30, [&](std::int64_t begin, std::int64_t end) { ends[static_cast<std::size_t>(begin / 30)] = end; });
      EXPECT_EQ(ends, (std::vector<std::int64_t>{30, 60, 90, 100}));
    }).join();
  }
  kernels::parallel_for(0, 30, [](std::int64_t, std::int64_t) { FAIL(); });
}

TEST(Isa, IsOneOfTheTwo) { EXPECT_TRUE(kernels::isa() == "x86-64-v3" || kernels::isa() == "x86-64-v4"); }

}  // namespace
}  // namespace hop
