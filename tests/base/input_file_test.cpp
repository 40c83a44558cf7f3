// What is opened for reading is a file, or a stream that has a writer: nothing is waited for forever.
#include "base/input_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"
#include "tests/temporary_folder.h"

namespace hop {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(InputFile, IsNeitherAPipeNorADevice) {
  const TemporaryFolder folder;
  const std::filesystem::path pipe = folder / "x.csv", file = folder / "y.csv";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::ofstream(file) << "1,2\n";
  EXPECT_EQ(what_is_no_file(pipe), "a pipe");
  EXPECT_EQ(what_is_no_file("/dev/zero"), "a device");
  for (const std::filesystem::path& fine : {file, folder.path(), folder / "nothing"}) {
    EXPECT_EQ(what_is_no_file(fine), "");
    EXPECT_NO_THROW(expect_file(fine, raise<DataError>));
  }
  EXPECT_THAT([&] { expect_file(pipe, raise<DataError>); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("expected a regular file, got a pipe"), HasSubstr("x.csv"))));
  EXPECT_THROW(expect_file("/dev/zero", raise<ConfigError>), ConfigError);
}

TEST(InputFile, MayBeAStreamThatTheShellHasOpened) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const Descriptor read(ends[0]), write(ends[1]);
  const std::string path = "/dev/fd/" + std::to_string(ends[0]);
  EXPECT_EQ(what_is_no_file(path), "a pipe");
  EXPECT_NO_THROW(expect_file_or_stream(path, raise<ConfigError>));
  EXPECT_THROW(expect_file(path, raise<ConfigError>), ConfigError);
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "e.toml").c_str(), 0600), 0);
  EXPECT_THROW(expect_file_or_stream(folder / "e.toml", raise<ConfigError>), ConfigError) << "nobody may write to it";
}

}  // namespace
}  // namespace hop
