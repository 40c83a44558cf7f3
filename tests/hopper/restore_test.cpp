// A run that cannot go on as it is: `resume` refuses, and touches nothing.
#include "hopper/detail/restore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "base/error.h"
#include "hopper/fsck.h"
#include "hopper/run.h"
#include "hopper/search/grid.h"
#include "tests/hopper/glyphs.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

class RefusedResume : public testing::Test {
 protected:
  RefusedResume() { write_glyphs(folder_, 160, 2); }
  Experiment experiment() const {
    Experiment e = toy_experiment(folder_);
    e.model.layers = {"flatten", "linear 10"};
    e.search.epochs = 3;
    e.search.space = {{"lr", Choices{0.01, 0.001}}};
    return e;
  }
  // The application's grid of these rates.
  Experiment with_own_search(double first, double second) const {
    Experiment e = experiment();
    e.search.make = [=](const SearchInput&) {
      const Space space = {{"lr", Choices{first, second}}};
      return std::make_unique<GridSearch>(space);
    };
    return e;
  }
  static std::string read(const fs::path& file) {
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    return text.str();
  }
  static void write(const fs::path& file, const std::string& text) { std::ofstream(file, std::ios::binary) << text; }
  void repeat_last_record() const {
    JournalContents contents;
    Journal journal = Journal::open(run_ / "journal", contents);
    journal.append(contents.records.back());
    journal.sync();
  }
  // Everything in the run directory, with its bytes.
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(run_)) {
      if (entry.is_regular_file()) all[entry.path().string()] = read(entry.path());
    }
    return all;
  }

  TemporaryFolder folder_;
  fs::path run_ = folder_ / "r";
};

TEST_F(RefusedResume, OfAnEditedExperiment) {
  run(experiment(), {.run_directory = run_});
  const std::string text = read(run_ / "experiment.toml");
  const std::pair<std::string, std::string> edits[] = {
      {"epochs = 3", "epochs = 2"}, {"[0.01,", "[0.02,"}, {"\"fixed\"", "\"free\""}, {"\n", " # a note\n"}};
  for (const auto& [before, after] : edits) {
    std::string edited = text;
    ASSERT_NE(edited.find(before), std::string::npos) << text;
    edited.replace(edited.find(before), before.size(), after);
    write(run_ / "experiment.toml", edited);
    const auto as_it_was = files();
    const auto refused = ThrowsMessage<ConfigError>(HasSubstr("experiment.toml was changed since the run began"));
    EXPECT_THAT([&] { resume(run_); }, refused) << after;
    EXPECT_THAT([&] { inspect(run_); }, refused) << after;
    EXPECT_THAT([&] { check_journal(run_, /*cut=*/true); }, refused) << after;
    EXPECT_EQ(files(), as_it_was) << after;
  }
  write(run_ / "experiment.toml", text);
  EXPECT_EQ(resume(run_).results.models.size(), 2U);
}

TEST_F(RefusedResume, NotWithAnotherSearchThanTheRunBeganWithForTheJournalHolds) {
  run(with_own_search(0.01, 0.001), {.run_directory = run_});
  const auto as_it_was = files();
  const Results results = resume(run_, {}, with_own_search(0.02, 0.001)).results;
  EXPECT_EQ(results.models[0].config.number("lr"), 0.01);
  EXPECT_EQ(files(), as_it_was);
  EXPECT_EQ(resume(run_, {}, with_own_search(0.01, 0.001)).results.models.size(), 2U);
}

TEST_F(RefusedResume, OnOtherDataLeavesATornTailToo) {
  run(experiment(), {.run_directory = run_});
  write(run_ / "journal", read(run_ / "journal") + "torn");
  const std::string manifest = read(run_ / "data" / "manifest.json");
  std::string other = manifest;
  const std::size_t scale = other.find("\"scale\"");
  ASSERT_NE(scale, std::string::npos);
  other.replace(other.find("0.0", scale), 3, "0.5");
  write(run_ / "data" / "manifest.json", other);
  const auto as_it_was = files();
  EXPECT_THAT([&] { resume(run_); }, ThrowsMessage<DataError>(HasSubstr("expected the data that the run began with")));
  EXPECT_EQ(files(), as_it_was);
  write(run_ / "data" / "manifest.json", manifest);
  EXPECT_NO_THROW(resume(run_));
  EXPECT_EQ(read_journal(run_ / "journal").torn_bytes, 0U);
}

TEST_F(RefusedResume, OfRecordsThatContradictEachOtherUntilFsckHasCutThem) {
  run(experiment(), {.run_directory = run_});
  const std::string sound = read(run_ / "journal");
  repeat_last_record();
  const auto as_it_was = files();
  EXPECT_THAT([&] { resume(run_); },
              ThrowsMessage<JournalError>(AllOf(HasSubstr("contradicts"), HasSubstr("hop fsck"))));
  EXPECT_EQ(files(), as_it_was);
  const JournalCheck check = check_journal(run_, /*cut=*/true);
  EXPECT_TRUE(fs::exists(check.kept));
  EXPECT_EQ(read(run_ / "journal"), sound);
  EXPECT_NO_THROW(resume(run_));
}

TEST_F(RefusedResume, AJournalOfAnOwnSearchIsReadByFsck) {
  run(with_own_search(0.01, 0.001), {.run_directory = run_});
  EXPECT_TRUE(check_journal(run_).is_sound());
  repeat_last_record();
  EXPECT_FALSE(check_journal(run_, /*cut=*/true).is_sound()) << "its records are replayed, too";
  write(run_ / "journal", read(run_ / "journal") + "torn");
  EXPECT_FALSE(check_journal(run_, /*cut=*/true).is_sound());
  EXPECT_TRUE(check_journal(run_).is_sound());
}

}  // namespace
}  // namespace hop::hopper
