// Other things where a run keeps its files: a folder, a pipe, a file. Each is named at once, nothing is trained over
// and nothing is waited for, and when it is gone the run goes on.
#include <sys/stat.h>

#include "tests/cli/table.h"

namespace hop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class RunPlaces : public Table {
 protected:
  // Puts a folder, a pipe or a file in the place of something.
  static void replace(const fs::path& place, const std::string& by) {
    fs::remove_all(place);
    if (by == "a folder") fs::create_directories(place / "inner");
    if (by == "a pipe") {
      ASSERT_EQ(::mkfifo(place.c_str(), 0600), 0);
    }
    if (by == "a file") write(place, "mine");
  }
};

TEST_F(RunPlaces, AreNamedWhereSomethingElseStandsThere) {
  ASSERT_EQ(run("calm").code, 0);
  const fs::path directory = folder_ / "r";
  const auto expect_named = [&](const std::string& name, const std::string& by, const char* what) {
    fs::remove_all(directory);
    fs::copy(folder_ / "calm", directory, fs::copy_options::recursive);
    replace(directory / name, by);
    for (const char* command : {"resume", "report", "why"}) {
      const Finished refused = go({command, "r"});
      EXPECT_EQ(refused.code, 2) << command << " with " << by << " as " << name;
      EXPECT_THAT(refused.err, AllOf(HasSubstr(std::string(what) + " r/" + name + " of the run, got " + by),
                                     HasSubstr("move it away"), HasSubstr("`hop resume r` goes on")))
          << command;
    }
    fs::remove_all(directory / name);
    if (fs::exists(folder_ / "calm" / name)) {
      fs::copy(folder_ / "calm" / name, directory / name, fs::copy_options::recursive);
    }
    EXPECT_EQ(go({"resume", "r"}).code, 0) << name;
    EXPECT_EQ(results("r")["models"], results("calm")["models"]) << name;
  };
  for (const std::string by : {"a folder", "a pipe"}) {
    for (const char* file : {"results.json", "journal", "experiment.toml", "log", "lock", "status"}) {
      expect_named(file, by, "expected the file");
    }
  }
  for (const std::string by : {"a file", "a pipe"}) {
    for (const char* folder : {"data", "models", "nodes"}) expect_named(folder, by, "expected the folder");
  }
}

// The run keeps a mark of that name there if other machines have its states. A folder is no mark.
TEST_F(RunPlaces, MayHaveAPersonsFolderNamedAsAMarkOfTheRun) {
  ASSERT_EQ(run("r").code, 0);
  fs::create_directory(folder_ / "r" / "remote");
  EXPECT_EQ(go({"report", "r"}).code, 0);
  EXPECT_EQ(go({"resume", "r"}).code, 0) << "no state lies on another machine";
  EXPECT_EQ(go({"export", "r", "--model", "0", "--to", "r/remote/model.safetensors"}).code, 0);
  fs::remove_all(folder_ / "r" / "remote");
  write(folder_ / "r" / "remote", "");
  EXPECT_THAT(go({"resume", "r"}).err, HasSubstr("the states of this run lie on other machines"));
  EXPECT_THAT(go({"export", "r", "--model", "0", "--to", "r/remote"}).err, HasSubstr("which belongs to the run"));
}

// The run has trained everything before it sees that its results have no place.
TEST_F(RunPlaces, TakenWhileTheRunGoesOnCostNoResults) {
  write(folder_ / "e.toml", experiment("source = \"d.csv\"\npartitions = 2", 200));
  ASSERT_EQ(run("calm").code, 0);
  Program program({"run", "e.toml", "--run-dir", "r"}, folder_->path());
  ASSERT_TRUE(eventually([&] { return fs::exists(folder_ / "r" / "journal"); }));
  fs::create_directories(folder_ / "r" / "results.json" / "inner");
  const Finished blocked = program.wait();
  EXPECT_EQ(blocked.code, 2);
  EXPECT_THAT(blocked.err, AllOf(HasSubstr("results.json of the run, got a folder"), HasSubstr("hop resume")));
  fs::remove_all(folder_ / "r" / "results.json");
  const Finished resumed = go({"resume", "r"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(hashes(folder_ / "r"), hashes(folder_ / "calm"));
}

}  // namespace
}  // namespace hop::testing
