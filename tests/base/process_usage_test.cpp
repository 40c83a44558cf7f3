#include "base/process_usage.h"

#include <gtest/gtest.h>

#include <chrono>
#include <ctime>
#include <thread>
#include <vector>

namespace hop {
namespace {

constexpr std::size_t kMegabyte = 1 << 20;

TEST(ProcessUsage, CountsMemoryThatWasReturnedAlready) {
  const std::uint64_t before = usage_of_process().peak_bytes;
  { const std::vector<char> block(before + 64 * kMegabyte, 'x'); }
  const std::uint64_t after = usage_of_process().peak_bytes;
  EXPECT_GE(after, before + 50 * kMegabyte);
  EXPECT_LT(usage_of_process().peak_bytes, after + kMegabyte) << "asking takes a few pages";
}

TEST(ProcessUsage, CountsTheTimeOfAllThreadsButNoSleep) {
  const double before = usage_of_process().cpu_seconds;
  std::thread([] {
    const auto end = std::clock() + CLOCKS_PER_SEC / 10;
    while (std::clock() < end) {
    }
  }).join();
  const double after = usage_of_process().cpu_seconds;
  EXPECT_GE(after - before, 0.09);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(usage_of_process().cpu_seconds - after, 0.2);
}

}  // namespace
}  // namespace hop
