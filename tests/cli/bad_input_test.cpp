// Common mistakes of users: each has its exit code and one clear line, and costs nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "data/dataset.h"
#include "data/glyphs.h"
#include "tests/cli/program.h"

namespace hop::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class BadInput : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_.emplace();
    data::write_dataset(data::glyphs({.train_rows = 80, .test_rows = 20}), *folder_ / "data",
                        {.name = "tiny", .partitions = 2, .validation = data::Validation::file()});
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::string experiment(const std::string& source = "data", const std::string& model = "family = \"mlp\"",
                                const std::string& more = "") {
    return "name = \"tiny\"\n[data]\nsource = \"" + source + "\"\n[model]\n" + model +
           "\n[search.space]\nlr = [0.001]\n" + more + "[run]\nworkers = 1\n";
  }

  // Runs it and expects exit code 2, one line on stderr, and no run directory.
  static void expect_refused(const std::string& toml, const std::string& message,
                             const std::vector<std::string>& more = {}) {
    write(*folder_ / "bad.toml", toml);
    std::vector<std::string> words = {"run", "bad.toml", "--run-dir", "never"};
    words.insert(words.end(), more.begin(), more.end());
    const Finished finished = hop(words, folder_->path());
    EXPECT_EQ(finished.code, 2) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr(message));
    EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
    EXPECT_FALSE(fs::exists(*folder_ / "never"));
  }

  // Damage inside a partition is found by the worker that owns it, before the first lease.
  static void expect_refused_by_a_worker(const std::string& source) {
    write(*folder_ / "bad.toml", experiment(source));
    const Finished finished = hop({"run", "bad.toml", "--run-dir", "run-" + source}, folder_->path());
    EXPECT_EQ(finished.code, 2) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr("part-00001.hopd"));
    EXPECT_TRUE(commits(*folder_ / ("run-" + source)).empty());
  }

  // A copy of the data set with one partition changed.
  static std::string damaged(const std::string& name, const std::function<void(const fs::path&)>& damage) {
    fs::copy(*folder_ / "data", *folder_ / name, fs::copy_options::recursive);
    damage(*folder_ / name / "part-00001.hopd");
    return name;
  }

  static inline std::optional<TemporaryFolder> folder_;
};

TEST_F(BadInput, InTheExperimentFile) {
  expect_refused("name = \n", "bad.toml:1");
  expect_refused("[run]\nwrokers = 2\n", "bad.toml:2: [run] wrokers: unknown key; did you mean \"workers\"?");
  expect_refused(experiment() + "device = \"cpx\"\n", "did you mean \"cpu\"?");
  expect_refused(experiment(), "workers", {"--set", "run.workers=0"});
  expect_refused(experiment(), "3", {"--workers", "3"});
  expect_refused(experiment("data", "family = \"mlpp\""), "mlp");
  expect_refused(experiment("data", "family = \"mlp\"", "learning_rate = [0.1]\n"), "learning_rate");
  expect_refused(experiment("data", "family = \"mlp\"", "optimizer = [\"adamm\"]\n"), "adam");
}

TEST_F(BadInput, InTextWithoutQuotes) {
  expect_refused("name = tiny # a run\n", "; text stands in quotes: name = \"tiny\"");
  expect_refused("[search.space]\n  optimizer = [adam, sgd]\n",
                 "text stands in quotes: optimizer = [\"adam\", \"sgd\"]");
  expect_refused("[run]\ndurable = False\n", "TOML writes false");
  expect_refused("[run]\ndurable = TRUE\n", "TOML writes true");
  for (const char* other : {"name = \"tiny\nseed = 1\n", "[run\n", "seed = 20%\n", "seed = 1.e-3\n"}) {
    write(*folder_ / "bad.toml", other);
    const std::string err = hop({"run", "bad.toml"}, folder_->path()).err;
    EXPECT_THAT(err, HasSubstr("bad.toml:1"));
    EXPECT_THAT(err, ::testing::Not(HasSubstr("quotes: "))) << other;
  }
}

// Opening one would wait for a writer that may never come.
TEST_F(BadInput, InAPipeThatNobodyWritesTo) {
  for (const char* name : {"p.toml", "p.csv", "p.txt"}) ASSERT_EQ(::mkfifo((*folder_ / name).c_str(), 0600), 0);
  expect_refused(experiment("p.txt"), "expected a regular file, got a pipe");
  expect_refused(experiment("p.csv"), "expected a regular file, got a pipe");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"run", "p.toml"}, {"simulate", "p.toml"}, {"compare", "p.toml"}, {"init", "p.txt"}, {"init", "p.csv"}}) {
    const Finished finished = hop(words, folder_->path());
    EXPECT_EQ(finished.code, 2) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr("expected a regular file, got a pipe")) << words[0];
  }
}

// The shell has opened it already, and a program writes to it.
TEST_F(BadInput, IsNoPipeOfTheShell) {
  write(*folder_ / "good.toml", experiment());
  const Finished finished =
      shell("cat good.toml | '" HOP_PROGRAM "' run /dev/stdin --run-dir streamed", folder_->path());
  EXPECT_EQ(finished.code, 0) << finished.err;
}

TEST_F(BadInput, InAModelSpec) {
  expect_refused(experiment("data", R"(layers = ["flatten", "liner 10"])"), "linear");
  expect_refused(experiment("data", R"(layers = ["conv2d 4 50", "flatten", "linear 10"])"), "conv2d 4 50");
  expect_refused(experiment("data", R"(layers = ["flatten", "linear 7"])"), "10");
  expect_refused(experiment("data", R"(layers = ["flatten", "linear $width"])"), "width");
  expect_refused(experiment("data", R"(layers = ["flatten", "linear \u001b[2J\n"])"), R"(linear \x1b[2J\n)");
}

TEST_F(BadInput, InTheData) {
  expect_refused(experiment("nowhere"), "nowhere");
  fs::create_directory(*folder_ / "empty");
  expect_refused(experiment("empty"), "empty");
  const std::string truncated = damaged("truncated", [](const fs::path& file) { fs::resize_file(file, 5000); });
  expect_refused(experiment(truncated), "part-00001.hopd");
  const std::string magic = damaged("magic", [](const fs::path& file) {
    std::string bytes = read(file);
    bytes[0] = 'X';
    write(file, bytes);
  });
  expect_refused_by_a_worker(magic);
  const std::string flipped = damaged("flipped", [](const fs::path& file) {
    std::string bytes = read(file);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write(file, bytes);
  });
  expect_refused_by_a_worker(flipped);
}

TEST_F(BadInput, ARunDirectoryThatExistsIsNeverTouched) {
  fs::create_directory(*folder_ / "mine");
  write(*folder_ / "mine" / "thesis.tex", "years of work");
  write(*folder_ / "good.toml", experiment());
  const Finished finished = hop({"run", "good.toml", "--run-dir", "mine"}, folder_->path());
  EXPECT_EQ(finished.code, 2);
  EXPECT_THAT(finished.err, HasSubstr("holds other files"));
  EXPECT_EQ(read(*folder_ / "mine" / "thesis.tex"), "years of work");
}

TEST_F(BadInput, OnTheCommandLine) {
  EXPECT_EQ(hop({}, folder_->path()).code, 0) << "it says where to begin";
  EXPECT_EQ(hop({"fly"}, folder_->path()).code, 1);
  EXPECT_EQ(hop({"run"}, folder_->path()).code, 1);
  EXPECT_EQ(hop({"run", "x.toml", "--workers", "0"}, folder_->path()).code, 1);
  EXPECT_EQ(hop({"--help"}, folder_->path()).code, 0);
  EXPECT_EQ(hop({"run", "no-such-file.toml"}, folder_->path()).code, 2);
  EXPECT_EQ(hop({"run", "x.toml", "--patience", "nan"}, folder_->path()).code, 1);
  for (const char* seed : {"-1", "99999999999999999999", "0x10", "1.5", ""}) {
    EXPECT_EQ(hop({"data", "import", "csv", "d.csv", "--out", "o", "--seed", seed}, folder_->path()).code, 1) << seed;
  }
  EXPECT_EQ(hop({"data", "import", "csv", "d.csv", "--out", ""}, folder_->path()).code, 2);
  for (const char* verb : {"resume", "report", "replay"}) {
    const Finished finished = hop({verb, "nowhere"}, folder_->path());
    EXPECT_EQ(finished.code, 2) << verb;
    EXPECT_THAT(finished.err, HasSubstr("no run directory")) << verb;
  }
}

TEST_F(BadInput, AnInfiniteLossEndsOneModelAndNoOther) {
  write(*folder_ / "hot.toml", experiment("data", "family = \"mlp\"", "optimizer = \"sgd\"\n"));
  const Finished finished =
      hop({"run", "hot.toml", "--run-dir", "hot", "--json", "--set", "search.space.lr=[1e9, 0.01]"}, folder_->path());
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("\"status\": \"diverged\""));
  EXPECT_THAT(finished.out, HasSubstr("\"status\": \"finished\""));
}

}  // namespace
}  // namespace hop::testing
