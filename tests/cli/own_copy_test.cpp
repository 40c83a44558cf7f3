// A run keeps all that it needs: after any change of the source every command still works, and reports the change.
#include <fstream>

#include "data/dataset.h"
#include "tests/cli/table.h"

namespace hop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class OwnCopy : public Table {
 protected:
  void expect_every_command_to_work(const std::string& run, const std::string& line) {
    const std::vector<std::vector<std::string>> commands = {
        {"export", run, "--model", "0", "--to", run + ".safetensors"},
        {"replay", run},
        {"report", run},
        {"resume", run}};
    for (const auto& words : commands) {
      const Finished finished = go(words);
      EXPECT_EQ(finished.code, 0) << words[0] << ": " << finished.err;
      if (line.empty()) {
        EXPECT_THAT(finished.err, ::testing::Not(HasSubstr("own copy"))) << words[0];
      } else {
        EXPECT_THAT(finished.err, AllOf(HasSubstr(line), HasSubstr("own copy"))) << words[0];
      }
    }
  }
};

TEST_F(OwnCopy, OfATable) {
  ASSERT_EQ(run("r").code, 0);
  expect_every_command_to_work("r", "");
  std::ofstream(folder_ / "d.csv", std::ios::app) << "a,1,2\n";
  expect_every_command_to_work("r", "has changed");
  write(folder_ / "d.csv", "no table at all");
  expect_every_command_to_work("r", "has changed");
  fs::rename(folder_ / "d.csv", folder_ / "moved.csv");
  expect_every_command_to_work("r", "is gone");
  fs::create_directory(folder_ / "d.csv");
  expect_every_command_to_work("r", "own copy");
}

TEST_F(OwnCopy, OfADataSet) {
  ASSERT_EQ(go({"data", "import", "csv", "d.csv", "--partitions", "2", "--out", "ds"}).code, 0);
  write(folder_ / "e.toml", experiment("source = \"ds/\""));
  ASSERT_EQ(run("r").code, 0);
  expect_every_command_to_work("r", "");
  fs::remove_all(folder_ / "ds");
  expect_every_command_to_work("r", "is gone");
  write(folder_ / "d.csv", two_classes(220));
  ASSERT_EQ(go({"data", "import", "csv", "d.csv", "--partitions", "2", "--out", "ds"}).code, 0);
  expect_every_command_to_work("r", "has changed");
  write(folder_ / "ds" / "manifest.json", "{}");
  expect_every_command_to_work("r", "own copy");
}

TEST_F(OwnCopy, IsExportedWithoutItsRows) {
  ASSERT_EQ(run("r").code, 0);
  for (const auto& entry : fs::directory_iterator(folder_ / "r" / "data")) {
    if (entry.path().extension() == ".hopd") fs::remove(entry.path());
  }
  EXPECT_EQ(go({"export", "r", "--model", "0", "--to", "m.safetensors"}).code, 0);
}

TEST_F(OwnCopy, IsReadWhereItsRowsAreNeededAndNowhereElse) {
  ASSERT_EQ(run("r").code, 0);
  for (const char* file : {"part-00001.hopd", "valid.hopd"}) fs::resize_file(folder_ / "r" / "data" / file, 100);
  EXPECT_EQ(go({"export", "r", "--model", "0", "--to", "m.safetensors"}).code, 0);
  EXPECT_EQ(go({"predict", "r", "d.csv"}).code, 0);
  EXPECT_EQ(go({"report", "r"}).code, 0);
  for (const char* command : {"replay", "resume"}) {
    const Finished refused = go({command, "r"});
    EXPECT_EQ(refused.code, 2) << command;
    EXPECT_THAT(refused.err, HasSubstr("bytes, got 100 (r/data/part-00001.hopd)")) << command;
  }
}

// A name on a disk is any bytes: here Latin-1, in the folder of the run and of the source.
TEST_F(OwnCopy, OfASourceWhoseNameIsNoUtf8) {
  const fs::path latin = folder_ / "caf\xe9 100%";
  fs::create_directory(latin);
  fs::rename(folder_ / "d.csv", latin / "d.csv");
  const auto there = [&](const std::vector<std::string>& words) { return hop(words, latin); };
  const Finished ran = there({"run", "../e.toml", "--set", "data.source=d.csv", "--run-dir", "r\xe9"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(read(latin / "r\xe9" / "experiment.toml"), HasSubstr("caf%E9%20100%25/d.csv\""));
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"export", "r\xe9", "--model", "0", "--to", "m.safetensors"}, {"replay", "r\xe9"}, {"report", "r\xe9"}}) {
    const Finished finished = there(words);
    EXPECT_EQ(finished.code, 0) << words[0] << ": " << finished.err;
    EXPECT_THAT(finished.err, ::testing::Not(HasSubstr("own copy"))) << "the source is found: " << words[0];
  }
  EXPECT_TRUE(nlohmann::json::accept(read(latin / "r\xe9" / "results.json")));
  fs::rename(latin, folder_ / "moved");
  const Finished resumed = go({"resume", "moved/r\xe9"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("is gone"));
}

TEST_F(OwnCopy, OfATableWhoseOwnNameIsNoUtf8) {
  fs::rename(folder_ / "d.csv", folder_ / "caf\xe9.csv");
  const Finished ran = go({"run", "e.toml", "--set", "data.source=caf\xe9.csv", "--run-dir", "r"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("caf\\xe9.csv: the label is column 0"));
  expect_every_command_to_work("r", "");
  EXPECT_EQ(go({"data", "import", "csv", "caf\xe9.csv", "--out", "o\xe9"}).code, 0);
  EXPECT_EQ(go({"data", "info", "o\xe9"}).code, 0);
}

// A folder in its own source: the rows are those of the source before.
TEST_F(OwnCopy, MayLieInItsSource) {
  ASSERT_EQ(go({"data", "import", "csv", "d.csv", "--partitions", "2", "--out", "ds"}).code, 0);
  ASSERT_EQ(go({"run", "e.toml", "--set", "data.source=ds", "--run-dir", "ds/r"}).code, 0);
  expect_every_command_to_work("ds/r", "");
  EXPECT_THAT(go({"data", "import", "csv", "d.csv", "--out", "d.csv"}).err,
              HasSubstr("expected a new or empty folder"));
  EXPECT_THAT(go({"data", "import", "csv", "d.csv", "--out", "ds"}).err, HasSubstr("expected a new or empty folder"));
}

TEST_F(OwnCopy, GoesOnToTheSameBitsAfterAnInterruption) {
  write(folder_ / "e.toml", experiment("source = \"d.csv\"\npartitions = 2", 400));
  ASSERT_EQ(run("calm").code, 0);
  Program program({"run", "e.toml", "--run-dir", "r"}, folder_->path());
  ASSERT_TRUE(eventually([&] { return commits(folder_ / "r").size() > 5; }));
  program.signal(SIGKILL);
  program.wait();
  write(folder_ / "d.csv", two_classes(40));
  const Finished resumed = go({"resume", "r"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(hashes(folder_ / "r"), hashes(folder_ / "calm"));
}

// The exported file has the offset and the factor of each column.
TEST_F(OwnCopy, TellsHowToScaleARow) {
  ASSERT_EQ(run("r").code, 0);
  ASSERT_EQ(go({"export", "r", "--model", "0", "--to", "m.safetensors"}).code, 0);
  const std::string bytes = read(folder_ / "m.safetensors");
  EXPECT_THAT(bytes, HasSubstr(R"(\"name\":\"x\",\"offset\":)"));
  EXPECT_THAT(bytes, HasSubstr(R"([\"a\",\"b\"])"));
}

}  // namespace
}  // namespace hop::testing
