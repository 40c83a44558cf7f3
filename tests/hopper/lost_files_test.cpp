// Final states in a run directory that are damaged, or that the system cannot read now.
#include "hopper/detail/lost_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "base/error.h"
#include "data/glyphs.h"
#include "hopper/detail/run_directory.h"
#include "hopper/run.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A finished run of two models.
class LostFiles : public testing::Test {
 protected:
  LostFiles() {
    data::write_dataset(data::glyphs({.train_rows = 32, .test_rows = 8}), folder_ / "data", {.partitions = 2});
    Experiment e;
    e.data.source = folder_ / "data";
    e.model.layers = {"flatten", "linear 10"};
    e.search.space = {{"lr", Choices{0.01, 0.001}}};
    before_ = run(e, {.run_directory = directory_}).results;
    journal_ = read(directory_ / "journal");
  }
  void damage(const fs::path& file) const {
    std::string bytes = read(file);
    bytes.back() = static_cast<char>(bytes.back() ^ 4);
    std::ofstream(file, std::ios::binary) << bytes;
  }
  void expect_nothing_given_up() const {
    EXPECT_EQ(read(directory_ / "journal"), journal_);
    for (const auto& entry : fs::directory_iterator(directory_ / "models")) {
      EXPECT_EQ(entry.path().extension(), ".hop") << entry.path();
    }
  }
  Results resume_with_notices(const RunOptions& options = {}) {
    RunOptions listening = options;
    listening.on_notice = [this](const std::string& line) { told_.push_back(line); };
    return resume(directory_, listening).results;
  }

  TemporaryFolder folder_;
  const fs::path directory_ = folder_ / "r";
  const fs::path file_ = directory_ / "models" / "0.hop";
  Results before_;
  std::string journal_;
  std::vector<std::string> told_;
};

TEST_F(LostFiles, AreNoneWhereTheSystemRefuses) {
  const Experiment experiment = read_experiment(directory_, {});
  const JournalContents contents = read_journal(directory_ / "journal");
  EXPECT_THAT(find_lost_files(experiment, directory_, contents), testing::IsEmpty());
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const int next = ::dup(0);
  ::close(next);
  const rlimit full{static_cast<rlim_t>(next), before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &full);
  std::string error;
  try {
    find_lost_files(experiment, directory_, contents);
  } catch (const StateError& refused) {
    error = refused.what();
  }
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_THAT(error, AllOf(HasSubstr("cannot read " + file_.string()), HasSubstr("Too many open files"),
                           HasSubstr("make it readable, or remove it")));
}

TEST_F(LostFiles, AreNoneWhereAnotherThingHasTheirName) {
  fs::remove(file_);
  fs::create_directory(file_);
  EXPECT_THAT([&] { resume(directory_); }, ThrowsMessage<StateError>(HasSubstr(file_.string())));
  fs::remove(file_);
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  EXPECT_THAT([&] { resume(directory_); }, ThrowsMessage<StateError>(HasSubstr(file_.string())));
  fs::remove(file_);
  fs::create_symlink("0.hop", file_);
  EXPECT_THAT([&] { resume(directory_); }, ThrowsMessage<StateError>(HasSubstr("cannot read " + file_.string())));
  expect_nothing_given_up();
  fs::remove(file_);
  EXPECT_EQ(resume(directory_).results.model(ModelId(0)).state_sha256, before_.model(ModelId(0)).state_sha256);
}

TEST_F(LostFiles, AreKeptEachOfThem) {
  for (const char* kept : {"0.hop.damaged", "0.hop.2.damaged", "0.hop.3.damaged"}) {
    damage(file_);
    const std::string bytes = read(file_);
    told_.clear();
    EXPECT_EQ(resume_with_notices().model(ModelId(0)).state_sha256, before_.model(ModelId(0)).state_sha256);
    EXPECT_EQ(read(directory_ / "models" / kept), bytes);
    ASSERT_FALSE(told_.empty());
    EXPECT_THAT(told_.front(), HasSubstr("the file is kept as " + std::string(kept)));
  }
}

TEST_F(LostFiles, AreGivenUpWhenAllElseIsChecked) {
  damage(file_);
  EXPECT_THAT([&] { resume_with_notices({.retry = true, .retry_models = {ModelId(1)}}); },
              ThrowsMessage<ConfigError>(HasSubstr("got model 1, which is finished")));
  expect_nothing_given_up();
}

TEST_F(LostFiles, AreInTheJournalThatWasReadToo) {
  damage(file_);
  JournalContents contents;
  {
    Journal journal = Journal::open(directory_ / "journal", contents);
    const auto lost = find_lost_files(read_experiment(directory_, {}), directory_, contents);
    ASSERT_EQ(lost.size(), 1U);
    give_up_lost_files(lost, journal, contents);
  }
  const JournalContents now = read_journal(directory_ / "journal");
  EXPECT_EQ(contents.records, now.records);
  EXPECT_EQ(contents.offsets, now.offsets);
  EXPECT_EQ(contents.bytes, now.bytes);
}

TEST_F(LostFiles, AreNoReasonToAcceptWrongOptions) {
  EXPECT_THAT([&] { resume(directory_, {.retry_models = {ModelId(0)}}); },
              ThrowsMessage<ConfigError>(HasSubstr("RunOptions::retry_models: expected retry = true")));
  fs::remove(directory_ / "journal");  // as if it had been ended while its data were prepared
  fs::remove_all(directory_ / "models");
  EXPECT_THAT([&] { resume(directory_, {.retry = true, .retry_models = {ModelId(0)}}); },
              ThrowsMessage<ConfigError>(HasSubstr("model 0, which has trained nothing yet")));
}

}  // namespace
}  // namespace hop::hopper
