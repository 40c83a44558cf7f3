// Workers that share a process: the bits of a run are the same, and a process that is lost is replaced by one for each
// of its workers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/cli/toy_run.h"

namespace hop::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SharedProcess : public ToyRun {
 protected:
  static std::vector<std::string> shared(const std::string& directory, std::uint32_t workers,
                                         std::uint32_t per_process) {
    return run_in(directory, {"--workers", std::to_string(workers), "--set",
                              "run.workers_per_process=" + std::to_string(per_process)});
  }
  // The words of a process, "--worker" and "0" among them, with a space between two.
  static std::string words_of(pid_t process) {
    std::string words = read("/proc/" + std::to_string(process) + "/cmdline");
    std::ranges::replace(words, '\0', ' ');
    return words;
  }
};

TEST_F(SharedProcess, OfAllWorkersChangesNoBit) {
  Program program(shared("one", 4, 8), folder_->path());
  ASSERT_TRUE(reach(program, "one", 4));
  EXPECT_EQ(program.children().size(), 1U);
  const Finished finished = program.wait();
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(hashes(*folder_ / "one"), *expected_);
  const std::string log = read(*folder_ / "one" / "log");
  EXPECT_THAT(log, HasSubstr("worker 0 used "));
  EXPECT_THAT(log, Not(HasSubstr("worker 1 used "))) << "the process is counted once";
}

TEST_F(SharedProcess, TakesWorkersInTurnWithTheOthers) {
  Program program(shared("two", 4, 2), folder_->path());
  ASSERT_TRUE(reach(program, "two", 4));
  const std::vector<pid_t> processes = program.children();
  ASSERT_EQ(processes.size(), 2U);
  EXPECT_THAT(words_of(processes[0]), HasSubstr(" --worker 0 "));
  EXPECT_THAT(words_of(processes[0]), HasSubstr(" --beside 2 "));
  EXPECT_THAT(words_of(processes[1]), HasSubstr(" --worker 1 "));
  EXPECT_THAT(words_of(processes[1]), HasSubstr(" --beside 3 "));
  EXPECT_EQ(program.wait().code, 0);
  EXPECT_EQ(hashes(*folder_ / "two"), *expected_);
}

TEST_F(SharedProcess, ThatIsLostIsReplacedByOneForEachOfItsWorkers) {
  for (const int signal : {SIGKILL, SIGSEGV}) {
    const std::string directory = "lost-" + std::to_string(signal);
    Program program(shared(directory, 2, 2), folder_->path());
    ASSERT_TRUE(reach(program, directory, 5));
    const std::vector<pid_t> before = program.children();
    ASSERT_EQ(before.size(), 1U);
    ::kill(before[0], signal);
    EXPECT_TRUE(eventually([&] { return !program.running() || program.children().size() == 2; }));
    const Finished finished = program.wait();
    EXPECT_EQ(finished.code, 0) << finished.err;
    EXPECT_EQ(hashes(*folder_ / directory), *expected_);
    EXPECT_THAT(finished.err, HasSubstr("killed by signal " + std::to_string(signal) + " (a process of 2 workers)"));
  }
}

}  // namespace
}  // namespace hop::testing
