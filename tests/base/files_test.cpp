// Durable files: whole or not at all, through links, never in place of what is no file, with the syncs that they need.
#include "base/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "base/error.h"
#include "tests/temporary_folder.h"

namespace hop {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;
using testing::UnorderedElementsAre;

std::string read(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

void write(const fs::path& file, const std::string& text) {
  write_file_atomically(file, as_bytes(text), raise<StateError>);
}

TEST(AtomicFile, AppearsWithCommitAndLeavesNothingWithoutIt) {
  const TemporaryFolder folder;
  {
    AtomicFile file(folder / "a", raise<DataError>);
    file.write(as_bytes("one "));
    EXPECT_FALSE(fs::exists(folder / "a"));
  }
  EXPECT_THAT(folder.names(), IsEmpty());
  AtomicFile file(folder / "a", raise<DataError>);
  file.write(as_bytes("...two"));
  file.write_at(0, as_bytes("one"));
  file.commit();
  EXPECT_EQ(read(folder / "a"), "onetwo");
  EXPECT_THAT(folder.names(), ElementsAre("a"));
}

TEST(AtomicFile, ReplacesAnOlderFileWhole) {
  const TemporaryFolder folder;
  write(folder / "a", "older and longer");
  write(folder / "a", "new");
  EXPECT_EQ(read(folder / "a"), "new");
}

// The bytes before the name, the name before the folder is told to keep it.
TEST(AtomicFile, SyncsTheFileAndItsFolder) {
  const TemporaryFolder folder;
  const std::uint64_t before = durable_syncs();
  write(folder / "a", "text");
  EXPECT_EQ(durable_syncs() - before, 2U);
  AtomicFile quick(folder / "b", raise<StateError>);
  quick.commit(Sync::no);
  EXPECT_EQ(durable_syncs() - before, 2U);
  create_folder(folder / "c" / "d" / "e", raise<StateError>);
  EXPECT_EQ(durable_syncs() - before, 5U) << "each new folder is an entry of its parent";
  create_folder(folder / "c" / "d" / "e", raise<StateError>);
  EXPECT_EQ(durable_syncs() - before, 5U);
}

TEST(AtomicFile, FollowsLinks) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "there");
  write(folder / "there" / "real", "old");
  fs::create_symlink("there/real", folder / "link");
  fs::create_symlink("link", folder / "link to a link");
  fs::create_symlink(folder / "there" / "new", folder / "dangling");
  write(folder / "link to a link", "new");
  write(folder / "dangling", "born");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_TRUE(fs::is_symlink(folder / "link to a link"));
  EXPECT_EQ(read(folder / "there" / "real"), "new");
  EXPECT_EQ(read(folder / "there" / "new"), "born");
  fs::create_symlink("round", folder / "round");
  EXPECT_THAT([&] { write(folder / "round", "x"); }, ThrowsMessage<StateError>(HasSubstr("round")));
}

TEST(AtomicFile, NeverReplacesWhatIsNoRegularFile) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  fs::create_directory(folder / "folder");
  fs::create_symlink("pipe", folder / "link to a pipe");
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  ASSERT_LT((folder / "socket").string().size(), sizeof address.sun_path);
  (folder / "socket").string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  for (const char* name : {"pipe", "folder", "link to a pipe", "socket"}) {
    EXPECT_THAT([&] { write(folder / name, "x"); }, ThrowsMessage<StateError>(HasSubstr(name))) << name;
  }
  EXPECT_THAT([] { write("/dev/null", "x"); }, ThrowsMessage<StateError>(HasSubstr("device")));
  ::close(fd);
  EXPECT_TRUE(fs::is_fifo(folder / "pipe"));
  EXPECT_TRUE(fs::is_directory(folder / "folder"));
  EXPECT_TRUE(fs::is_socket(folder / "socket"));
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(WriteOutput, WritesToPipesAndDevicesAsTheyAre) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  std::string got;
  std::thread reader([&] { got = read(folder / "pipe"); });
  write_output(folder / "pipe", as_bytes("through"), raise<StateError>);
  reader.join();
  EXPECT_EQ(got, "through");
  EXPECT_TRUE(fs::is_fifo(folder / "pipe"));
  write_output("/dev/null", as_bytes("away"), raise<StateError>);
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_THAT([] { write_output("/dev/full", as_bytes("x"), raise<StateError>); },
              ThrowsMessage<StateError>(HasSubstr("No space left")));
  write_output(folder / "file", as_bytes("kept"), raise<StateError>);
  EXPECT_EQ(read(folder / "file"), "kept");
  EXPECT_THROW(write_output(folder.path(), as_bytes("x"), raise<StateError>), StateError);
}

TEST(Files, FailWithTheErrorOfTheFloorThePathAndTheReason) {
  const TemporaryFolder folder;
  const fs::path nowhere = folder / "none" / "file";
  EXPECT_THAT([&] { AtomicFile(nowhere, raise<DataError>); },
              ThrowsMessage<DataError>(testing::AllOf(HasSubstr(nowhere.string()), HasSubstr("No such file"))));
  EXPECT_THROW(sync_folder(folder / "none", raise<RunError>), RunError);
  write(folder / "file", "");
  EXPECT_THROW(create_folder(folder / "file" / "x", raise<RunError>), RunError);
}

TEST(Files, KnowTheNamesOfUnfinishedOnes) {
  EXPECT_TRUE(is_temporary_name(temporary_name("a/b")));
  EXPECT_NE(temporary_name("a/b"), temporary_name("a/b"));
  EXPECT_EQ(temporary_name("a/b").parent_path(), "a");
  EXPECT_FALSE(is_temporary_name("a/b"));
}

TEST(Files, DropSlashesAtTheEnd) {
  for (const char* name : {"r", "r/", "r//", "r/.", "r/./"}) EXPECT_EQ(without_trailing_slash(name), "r") << name;
  EXPECT_EQ(without_trailing_slash("/"), "/");
  EXPECT_EQ(without_trailing_slash("a/b/"), "a/b");
  EXPECT_EQ(without_trailing_slash("."), ".");
  EXPECT_EQ(without_trailing_slash(""), "");
  EXPECT_EQ(without_trailing_slash(".."), "..");
}

}  // namespace
}  // namespace hop
