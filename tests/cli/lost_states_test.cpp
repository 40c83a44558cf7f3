// States, records and data are lost or damaged. What was trained is trained again, to the bits of the run that nobody
// disturbed.
#include <signal.h>
#include <sys/stat.h>

#include <regex>

#include "hopper/journal.h"
#include "tests/cli/toy_run.h"

namespace hop::testing {
namespace {

class LostStates : public ToyRun {
 protected:
  // A run that was killed after some units, with all its states in its nodes' folders.
  static void interrupt(const std::string& directory, std::vector<std::string> more = {}) {
    Program program(run_in(directory, std::move(more)), folder_->path());
    ASSERT_TRUE(reach(program, directory, 20));
    program.signal(SIGKILL);
    program.wait();
  }
  static std::vector<fs::path> states(const std::string& directory) {
    std::vector<fs::path> found;
    for (const auto& file : fs::recursive_directory_iterator(*folder_ / directory / "nodes")) {
      if (file.path().extension() == ".hop") found.push_back(file.path());
    }
    return found;
  }
  static void flip_a_bit(const fs::path& file, std::uint64_t at) {
    std::string bytes = read(file);
    bytes.at(at) = static_cast<char>(bytes.at(at) ^ 4);
    write(file, bytes);
  }
  static Finished resume_and_compare(const std::string& directory) {
    const Finished resumed = hop({"resume", directory}, folder_->path());
    EXPECT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_EQ(hashes(*folder_ / directory), *expected_);
    return resumed;
  }
};

TEST_F(LostStates, OfAWholeNodeAreTrainedAgain) {
  for (const std::string node : {"w0", "w1"}) {
    interrupt("lost-" + node);
    fs::remove_all(*folder_ / ("lost-" + node) / "nodes" / node);
    resume_and_compare("lost-" + node);
  }
}

TEST_F(LostStates, OfAllNodesAreTrainedAgain) {
  interrupt("lost-all");
  fs::remove_all(*folder_ / "lost-all" / "nodes");
  const Finished resumed = resume_and_compare("lost-all");
  EXPECT_TRUE(std::regex_search(resumed.err, std::regex("model \\d: version \\d+ is gone from worker \\d; "
                                                        "\\d+ units are trained again, from its initial state")))
      << resumed.err;
}

TEST_F(LostStates, DamagedInOneBitAreKeptAndTrainedAgain) {
  interrupt("flipped");
  std::uint64_t place = 0;
  const std::vector<fs::path> files = states("flipped");
  ASSERT_FALSE(files.empty());
  for (const fs::path& file : files) flip_a_bit(file, (place += fs::file_size(file) / 7) % fs::file_size(file));
  resume_and_compare("flipped");
}

TEST_F(LostStates, ThatWereCollectedAreTrainedAgain) {
  ASSERT_EQ(hop(run_in("collected"), folder_->path()).code, 0);
  const fs::path models = *folder_ / "collected" / "models";
  fs::remove(models / "0.hop");
  flip_a_bit(models / "1.hop", fs::file_size(models / "1.hop") - 9);
  fs::copy_file(models / "3.hop", models / "2.hop", fs::copy_options::overwrite_existing);
  const Finished resumed = resume_and_compare("collected");
  for (const char* why : {"0.hop is gone; it is trained again", "model 1: [state] ", "model 2: expected the digest "}) {
    EXPECT_NE(resumed.err.find(why), std::string::npos) << why << ": " << resumed.err;
  }
  EXPECT_TRUE(fs::exists(models / "1.hop.damaged"));
  EXPECT_EQ(resume_and_compare("collected").err.find("trained again"), std::string::npos);
  EXPECT_EQ(hop({"export", "collected", "--model", "0", "--to", "0.safetensors"}, folder_->path()).code, 0);
}

TEST_F(LostStates, ThatAreNoFilesDoNotHang) {
  interrupt("odd");
  const fs::path folder = *folder_ / "odd" / "nodes" / "w0" / "states";
  ASSERT_EQ(::mkfifo((folder / "77-1.hop").c_str(), 0600), 0);
  fs::create_directories(folder / "78-1.hop" / "inner");
  fs::create_directories(folder / "some.folder" / "inner");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  resume_and_compare("odd");
}

TEST_F(LostStates, WhileTheRunGoesOnBrickNothing) {
  for (const std::string directory : {"wiped-0", "wiped-1", "wiped-2"}) {
    Program program(run_in(directory), folder_->path());
    ASSERT_TRUE(reach(program, directory, 10));
    const std::vector<pid_t> workers = program.children();
    for (const fs::path& file : states(directory)) {
      std::error_code gone;
      if (file.string().find("/w0/") != std::string::npos) fs::remove(file, gone);
    }
    ::kill(workers.at(0), SIGKILL);
    EXPECT_EQ(program.wait().code, 0);
    EXPECT_EQ(hashes(*folder_ / directory), *expected_);
    EXPECT_EQ(hop({"report", directory}, folder_->path()).code, 0);
  }
}

TEST_F(LostStates, OfWorkersThatKeepThemInMemoryAreTrainedAgain) {
  Program program(run_in("memory", {"--set", "run.durable=false"}), folder_->path());
  ASSERT_TRUE(reach(program, "memory", 12));
  ::kill(program.children().at(1), SIGKILL);
  EXPECT_EQ(program.wait().code, 0);
  EXPECT_EQ(hashes(*folder_ / "memory"), *expected_);
}

TEST_F(LostStates, OfAFreeRunAreTrainedAgainOnTheSameWay) {
  interrupt("free-lost", {"--set", "run.order=free"});
  const std::vector<hopper::record::Commit> before = commits(*folder_ / "free-lost");
  fs::remove_all(*folder_ / "free-lost" / "nodes");
  ASSERT_EQ(hop({"resume", "free-lost"}, folder_->path()).code, 0);
  std::map<std::pair<ModelId, Unit>, Digest> digests;
  std::size_t again = 0;
  for (const hopper::record::Commit& c : commits(*folder_ / "free-lost")) {
    const auto [at, is_new] = digests.emplace(std::pair(c.model, c.unit), c.digest);
    again += is_new ? 0 : 1;
    EXPECT_EQ(at->second, c.digest);
  }
  EXPECT_GE(again, before.size() / 2);
  EXPECT_EQ(hop({"replay", "free-lost"}, folder_->path()).code, 0);
}

TEST_F(LostStates, AreFoundAgainBehindADamagedLastRecord) {
  for (const std::uint64_t third : {0, 1, 2}) {
    const std::string directory = "last-record-" + std::to_string(third);
    interrupt(directory);
    const fs::path journal = *folder_ / directory / "journal";
    const std::uint64_t length = fs::file_size(journal) - hopper::read_journal(journal).offsets.back();
    flip_a_bit(journal, fs::file_size(journal) - 1 - third * length / 3);
    const Finished resumed = resume_and_compare(directory);
    EXPECT_NE(resumed.err.find("bytes of an unfinished record at byte"), std::string::npos) << resumed.err;
  }
}

// A journal that a bug of an earlier version wrote: it has units after the quarantine of their model.
TEST_F(LostStates, AContradictionInTheJournalLocksNoRunDirectory) {
  interrupt("contradiction");
  const fs::path path = *folder_ / "contradiction" / "journal";
  {
    hopper::JournalContents contents;
    hopper::Journal journal = hopper::Journal::open(path, contents);
    const hopper::record::Commit last = commits(*folder_ / "contradiction").back();
    journal.append(last);  // a second time
    journal.sync();
  }
  const Finished checked = hop({"fsck", "contradiction"}, folder_->path());
  EXPECT_EQ(checked.code, 2);
  EXPECT_TRUE(std::regex_search(checked.out, std::regex("record \\d+ at byte \\d+ contradicts those before it: "
                                                        "\\[journal\\] expected unit")))
      << checked.out;
  EXPECT_EQ(hop({"report", "contradiction"}, folder_->path()).code, 0);
  const std::uintmax_t bytes = fs::file_size(path);
  const Finished refused = hop({"resume", "contradiction"}, folder_->path());
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("`hop fsck contradiction --cut` keeps that"), std::string::npos) << refused.err;
  EXPECT_EQ(fs::file_size(path), bytes) << "what is no torn tail is not cut off unasked";
  EXPECT_EQ(hop({"fsck", "contradiction", "--cut"}, folder_->path()).code, 0);
  EXPECT_TRUE(fs::exists(path.string() + ".cut-1"));
  resume_and_compare("contradiction");
  EXPECT_EQ(hop({"fsck", "contradiction"}, folder_->path()).code, 0);
}

TEST_F(LostStates, OfAJournalDamagedInTheMiddleAreTrainedAgainWhenFsckHasCutIt) {
  interrupt("middle");
  const fs::path path = *folder_ / "middle" / "journal";
  flip_a_bit(path, fs::file_size(path) / 2);
  const Finished refused = hop({"resume", "middle"}, folder_->path());
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("`hop fsck` can cut the file there"), std::string::npos) << refused.err;
  const Finished cut = hop({"fsck", "middle", "--cut"}, folder_->path());
  EXPECT_EQ(cut.code, 0) << cut.err;
  EXPECT_NE(cut.out.find("cut off after byte"), std::string::npos) << cut.out;
  resume_and_compare("middle");
}

TEST_F(LostStates, AreNotLookedForInOtherData) {
  interrupt("swapped");
  data::write_dataset(data::glyphs({.train_rows = 6000, .test_rows = 200}), *folder_ / "other",
                      {.name = "glyphs-6000", .partitions = 4, .validation = data::Validation::file(), .seed = 99});
  const fs::path own = *folder_ / "swapped" / "data";  // the run's own copy: the source is not asked any more
  fs::rename(own, *folder_ / "aside");
  fs::rename(*folder_ / "other", own);
  const Finished refused = hop({"resume", "swapped"}, folder_->path());
  fs::rename(own, *folder_ / "other");
  fs::rename(*folder_ / "aside", own);
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("expected the data that the run began with"), std::string::npos) << refused.err;
  resume_and_compare("swapped");
}

}  // namespace
}  // namespace hop::testing
