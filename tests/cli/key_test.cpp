// hop key: who gets a key, and what is said of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/key.h"
#include "tests/cli/program.h"

namespace hop::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(KeyCommand, WritesAKeyThatALaterRunReads) {
  const TemporaryFolder folder;
  const Finished made = hop({"key", "new", "run.key"}, folder.path());
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("run.key: 32 random bytes, mode 0600."));
  const net::RunKey key = net::RunKey::read(folder / "run.key");
  EXPECT_THAT(made.out + made.err, Not(HasSubstr(std::string(as_text(key.bytes())))));

  const Finished again = hop({"key", "new", "run.key"}, folder.path());
  EXPECT_EQ(again.code, 2);
  EXPECT_THAT(again.err, HasSubstr("run.key: exists already"));
}

TEST(KeyCommand, SaysWhatIsMissing) {
  const TemporaryFolder folder;
  EXPECT_EQ(hop({"key"}, folder.path()).code, 1);
  EXPECT_EQ(hop({"key", "new"}, folder.path()).code, 1);
  EXPECT_THAT(hop({"key", "new", "no/such/folder/key"}, folder.path()).err, HasSubstr("No such file or directory"));
}

}  // namespace
}  // namespace hop::testing
