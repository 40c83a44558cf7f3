// The file of a run's key: what is written, and which files are refused.
#include "net/key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "base/error.h"
#include "tests/temporary_folder.h"

namespace hop::net {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

bool equal(const RunKey& a, const RunKey& b) { return std::ranges::equal(a.bytes(), b.bytes()); }

class KeyFile : public ::testing::Test {
 protected:
  void write(std::size_t bytes, mode_t mode = 0600) {
    std::ofstream(file, std::ios::binary) << std::string(bytes, 'k');
    ASSERT_EQ(::chmod(file.c_str(), mode), 0);
  }
  void expect_refused(const std::string& reason) {
    EXPECT_THAT([&] { RunKey::read(file); }, ThrowsMessage<ConfigError>(HasSubstr(reason)));
  }

  TemporaryFolder folder;
  std::filesystem::path file = folder.path() / "key";
};

TEST_F(KeyFile, HoldsTheBytesOfTheKeyAloneAndOpensForItsOwnerAlone) {
  const mode_t before = ::umask(0);
  const RunKey key = RunKey::random();
  key.write_new(file);
  ::umask(before);
  struct stat status {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_size, 32);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_TRUE(equal(RunKey::read(file), key));
}

TEST_F(KeyFile, IsAnotherOneEachTime) {
  EXPECT_FALSE(equal(RunKey::random(), RunKey::random()));
  EXPECT_FALSE(equal(RunKey::random(), RunKey::of(AlignedBuffer(RunKey::kBytes).span())));
}

TEST_F(KeyFile, IsNeverWrittenOver) {
  const RunKey first = RunKey::random();
  first.write_new(file);
  EXPECT_THAT([&] { RunKey::random().write_new(file); }, ThrowsMessage<ConfigError>(HasSubstr("exists already")));
  EXPECT_TRUE(equal(RunKey::read(file), first));
}

TEST_F(KeyFile, IsNotWrittenThroughALink) {
  std::filesystem::create_symlink(folder.path() / "elsewhere", file);
  EXPECT_THROW(RunKey::random().write_new(file), ConfigError);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "elsewhere"));
}

TEST_F(KeyFile, OfAnotherSizeIsRefused) {
  write(31);
  expect_refused("expected the 32 bytes of a key, got 31; `hop key new FILE` makes a key");
  write(0);
  expect_refused("got 0");
  write(33);
  expect_refused("got more");
  write(32);
  EXPECT_NO_THROW(RunKey::read(file));
}

TEST_F(KeyFile, ThatOthersMayOpenIsRefused) {
  for (const mode_t mode : {0640, 0620, 0604, 0602, 0610, 0601, 0666}) {
    write(32, mode);
    expect_refused("mode 0600");
  }
  write(32, 0400);
  EXPECT_NO_THROW(RunKey::read(file));
}

TEST_F(KeyFile, OfAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  write(32);
  ASSERT_EQ(::chown(file.c_str(), 12345, 0), 0);
  expect_refused("it belongs to user 12345");
}

TEST_F(KeyFile, ThatIsNoFileIsRefusedAtOnce) {
  expect_refused("No such file or directory; `hop key new FILE` makes a key");
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);  // nobody writes: a read would wait for ever
  expect_refused("expected a regular file");
}

TEST(RunKey, HasThirtyTwoBytes) {
  const AlignedBuffer bytes(33);
  EXPECT_THAT([&] { RunKey::of(bytes.span()); },
              ThrowsMessage<ConfigError>(HasSubstr("expected a key of 32 bytes, got 33")));
  EXPECT_THROW(RunKey::of({}), ConfigError);
}

}  // namespace
}  // namespace hop::net
