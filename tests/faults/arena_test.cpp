// The judges of disturbed runs see the faults that they are for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/faults/arena.h"

namespace hop::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ATrial, SeesWhatAKilledRunLeavesInItsTemporaryFolder) {
  const Arena arena({.models = 2, .partitions = 2, .epochs = 40, .workers = 1, .data = ArenaData::Table});
  const Trial trial(arena, "left");
  {
    Program program(trial.words_to_run(), trial.folder());
    std::vector<std::string> names;
    EXPECT_TRUE(eventually([&] {
      names = trial.left_in_tmp();
      return !names.empty() || !program.running();
    }));
    program.signal(SIGKILL);
    EXPECT_THAT(names, ::testing::ElementsAre(StartsWith("hop-sockets-")));
  }
  EXPECT_EQ(trial.go_on().code, 0);
  EXPECT_EQ(trial.verdict(), "") << "and tidied up";
  write(trial.folder() / "tmp" / "something", "");
  EXPECT_THAT(trial.verdict(), HasSubstr("something stays behind in TMPDIR"));
}

}  // namespace
}  // namespace hop::testing
