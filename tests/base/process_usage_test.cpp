#include "base/process_usage.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

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

TEST(ProcessUsage, CountsTheTimeOfAChildWhenItWasWaitedFor) {
  const double before = cpu_seconds_of_children();
  const pid_t child = ::fork();
  ASSERT_NE(child, -1);
  if (child == 0) {
    const auto end = std::clock() + CLOCKS_PER_SEC / 10;
    while (std::clock() < end) {
    }
    ::_exit(0);
  }
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(cpu_seconds_of_children(), before) << "it has ended, and nobody has waited for it";
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_GE(cpu_seconds_of_children() - before, 0.09);
}

}  // namespace
}  // namespace hop
