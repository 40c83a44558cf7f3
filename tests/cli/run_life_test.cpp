// A run's life from the first moment to the last: its directory, its lock, its end, and what it says of itself.
// Long because each thing that can be lost has its own way back.
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "tests/cli/table.h"

namespace hop::testing {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

using RunLife = Table;

std::string shell(const std::string& words) { return "'" HOP_PROGRAM "' " + words; }
int run_shell(const fs::path& folder, const std::string& command) {
  const int status = std::system(("cd '" + folder.string() + "' && " + command).c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// ---- run directories

TEST_F(RunLife, TakesARunDirectoryAsPeopleWriteIt) {
  write(folder_ / "e.toml", experiment("source = \"d.csv\"\npartitions = 2", 1));
  fs::create_directory(folder_ / "empty");
  fs::create_directory(folder_ / "target");
  fs::create_symlink("target", folder_ / "link");
  for (const char* name : {"slash/", "dot/.", "deep/er/one/", "empty", "link", "./plain"}) {
    const Finished finished = run(name);
    EXPECT_EQ(finished.code, 0) << name << ": " << finished.err;
    EXPECT_TRUE(fs::exists(folder_ / name / "results.json")) << name;
    EXPECT_EQ(go({"report", name}).code, 0) << name;
    EXPECT_EQ(go({"resume", std::string(name) + "/"}).code, 0) << name;
  }
  struct stat info {};
  ASSERT_EQ(::stat((folder_ / "plain").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U) << "weights and rows are their owner's";
}

TEST_F(RunLife, RefusesADirectoryThatHoldsSomethingAndSaysWhat) {
  write(folder_ / "file", "mine");
  EXPECT_THAT(run("file").err, HasSubstr("which is a file"));
  ASSERT_EQ(run("r").code, 0);
  EXPECT_THAT(run("r").err, HasSubstr("hop resume r"));
  fs::create_directory(folder_ / "mine");
  write(folder_ / "mine" / "thesis.tex", "years of work");
  EXPECT_THAT(run("mine").err, HasSubstr("holds other files"));
  EXPECT_EQ(read(folder_ / "mine" / "thesis.tex"), "years of work");
  fs::create_directory(folder_ / "empty");
  EXPECT_EQ(run("empty", {"--set", "search.space.optimizer=nonsense"}).code, 2);
  EXPECT_TRUE(fs::is_empty(folder_ / "empty")) << "what could not begin leaves an empty folder empty";
}

TEST_F(RunLife, RunsThatStartAtOnceGetDirectoriesOfTheirOwn) {
  write(folder_ / "e.toml", experiment("source = \"d.csv\"\npartitions = 2", 1));
  constexpr int kRuns = 6;
  std::vector<std::unique_ptr<Program>> programs;
  for (int i = 0; i < kRuns; ++i) {
    programs.push_back(std::make_unique<Program>(std::vector<std::string>{"run", "e.toml"}, folder_->path()));
  }
  for (const auto& program : programs) {
    const Finished finished = program->wait();
    EXPECT_EQ(finished.code, 0) << finished.err;
  }
  for (int i = 1; i <= kRuns; ++i) {
    EXPECT_TRUE(fs::exists(folder_ / "runs" / ("case-" + std::to_string(i)) / "results.json")) << i;
  }
  EXPECT_EQ(go({"run", "e.toml", "--set", "data.source=nowhere"}).code, 2);
  EXPECT_FALSE(fs::exists(folder_ / "runs" / "case-7")) << "what could not begin leaves no directory";
}

TEST_F(RunLife, OneOfTwoRunsGetsTheSameDirectory) {
  write(folder_ / "e.toml", experiment("source = \"d.csv\"\npartitions = 2", 100));
  Program first({"run", "e.toml", "--run-dir", "r"}, folder_->path());
  Program second({"run", "e.toml", "--run-dir", "r"}, folder_->path());
  const Finished a = first.wait(), b = second.wait();
  EXPECT_EQ(std::min(a.code, b.code), 0) << a.err << b.err;
  EXPECT_EQ(std::max(a.code, b.code), 2) << a.err << b.err;
  EXPECT_TRUE(fs::exists(folder_ / "r" / "results.json"));
}

TEST_F(RunLife, ANameStaysInItsFolder) {
  for (const char* name :
       {"../../escape", "/abs", "", "a/b", "..", ".hidden", "-flag", "new line\\n", "a b", "\\u001b[2J"}) {
    const Finished finished = go({"run", "e.toml", "--set", "name=\"" + std::string(name) + "\""});
    EXPECT_EQ(finished.code, 2) << name;
    EXPECT_THAT(finished.err, AllOf(HasSubstr("name"), HasSubstr("expected letters"))) << name;
    EXPECT_THAT(finished.err, Not(HasSubstr("\x1b"))) << name;
  }
  EXPECT_FALSE(fs::exists(folder_ / "runs"));
}

// ---- killed at any moment

TEST_F(RunLife, KilledAtAnyMomentOfItsPreparationItGoesOn) {
  write(folder_ / "e.toml", experiment("source = \"glyphs\"\npartitions = 4", 1, ""));
  for (const int milliseconds : {0, 5, 20, 50, 120, 250, 400}) {
    const std::string directory = "r" + std::to_string(milliseconds);
    {
      Program program({"run", "e.toml", "--run-dir", directory}, folder_->path());
      std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
      program.signal(SIGKILL);
      program.wait();
    }
    if (!fs::exists(folder_ / directory)) continue;  // before it began
    const bool is_known = fs::exists(folder_ / directory / "experiment.toml");
    const Finished again = is_known ? go({"resume", directory}) : run(directory);
    EXPECT_EQ(again.code, 0) << milliseconds << ": " << again.err;
    EXPECT_EQ(results(directory)["models"].size(), 1U);
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / directory)) {
      EXPECT_THAT(entry.path().string(), Not(HasSubstr(".partial-"))) << "resume tidies up";
    }
  }
}

TEST_F(RunLife, WithoutAJournalOrWithATornOneItBeginsAgain) {
  ASSERT_EQ(run("calm").code, 0);
  for (const std::string how : {"no journal", "an empty journal", "a torn header", "no data"}) {
    fs::remove_all(folder_ / "r");
    ASSERT_EQ(run("r").code, 0);
    const std::string journal = read(folder_ / "r" / "journal");
    for (const char* made : {"models", "nodes", "results.json", "journal"}) fs::remove_all(folder_ / "r" / made);
    if (how == "an empty journal") write(folder_ / "r" / "journal", "");
    if (how == "a torn header") write(folder_ / "r" / "journal", journal.substr(0, 20));
    if (how == "no data") fs::remove_all(folder_ / "r" / "data");
    EXPECT_THAT(go({"report", "r"}).err, HasSubstr("hop resume r")) << how;
    const Finished resumed = go({"resume", "r"});
    EXPECT_EQ(resumed.code, 0) << how << ": " << resumed.err;
    EXPECT_EQ(hashes(folder_ / "r"), hashes(folder_ / "calm")) << how;
  }
}

TEST_F(RunLife, WhoseJournalIsLostDoesNotTrainOverItsModelsAndSaysWhatToDo) {
  ASSERT_EQ(run("calm").code, 0);
  const std::string model = read(folder_ / "calm" / "models" / "0.hop");
  std::string journal = read(folder_ / "calm" / "journal");
  journal[20] = static_cast<char>(journal[20] ^ 4);
  for (const std::string why : {"got no file", "got an empty file", "got damaged bytes"}) {
    fs::remove_all(folder_ / "r");
    fs::copy(folder_ / "calm", folder_ / "r", fs::copy_options::recursive);
    fs::remove(folder_ / "r" / "journal");
    if (why == "got an empty file") write(folder_ / "r" / "journal", "");
    if (why == "got damaged bytes") write(folder_ / "r" / "journal", journal);
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"resume", "r"}, {"report", "r"}, {"fsck", "r"}, {"export", "r", "--best", "--to", "m"}}) {
      const Finished refused = go(words);
      EXPECT_EQ(refused.code, 2) << words[0];
      EXPECT_THAT(refused.err, AllOf(HasSubstr(why + " (r/journal): put a copy of it back"),
                                     HasSubstr("move models, nodes and journal out of r, then `hop resume r`")))
          << words[0];
    }
    EXPECT_EQ(read(folder_ / "r" / "models" / "0.hop"), model) << why;
    fs::create_directory(folder_ / why);
    for (const char* name : {"models", "nodes", "journal"}) {
      if (fs::exists(folder_ / "r" / name)) fs::rename(folder_ / "r" / name, folder_ / why / name);
    }
    const Finished resumed = go({"resume", "r"});
    EXPECT_EQ(resumed.code, 0) << why << ": " << resumed.err;
    EXPECT_EQ(hashes(folder_ / "r"), hashes(folder_ / "calm")) << why;
  }
}

TEST_F(RunLife, WhoseExperimentIsLostSaysHowToGetItBack) {
  ASSERT_EQ(run("r", {"--set", "seed=3"}).code, 0);
  fs::remove(folder_ / "r" / "experiment.toml");
  for (const char* command : {"resume", "report", "fsck", "replay"}) {
    const Finished refused = go({command, "r"});
    EXPECT_EQ(refused.code, 2) << command;
    EXPECT_THAT(refused.err, AllOf(HasSubstr("expected the file r/experiment.toml of the run, got nothing"),
                                   HasSubstr("copy experiment.toml from there")))
        << command;
  }
  ASSERT_EQ(run("again", {"--set", "seed=3"}).code, 0);
  fs::copy_file(folder_ / "again" / "experiment.toml", folder_ / "r" / "experiment.toml");
  EXPECT_EQ(go({"replay", "r"}).code, 0);
  EXPECT_EQ(go({"resume", "r"}).code, 0);
  fs::create_directory(folder_ / "mine");
  EXPECT_THAT(go({"report", "mine"}).err, HasSubstr("mine is no run directory"));
}

TEST_F(RunLife, KilledAfterItsLastCommitItIsFinishedByResume) {
  ASSERT_EQ(run("r").code, 0);
  const nlohmann::json before = results("r");
  for (const std::string there : {"nothing", "half a file", "the results of an interruption"}) {
    fs::create_directories(folder_ / "r" / "nodes" / "w0" / "states");
    write(folder_ / "r" / "results.json.partial-1-0", "half");
    nlohmann::json stale = before;
    stale["models"][0]["status"] = "interrupted";
    fs::remove(folder_ / "r" / "results.json");
    if (there == "half a file") write(folder_ / "r" / "results.json", "{\"name\": \"ca");
    if (there == "the results of an interruption") write(folder_ / "r" / "results.json", stale.dump());
    const Finished resumed = go({"resume", "r"});
    ASSERT_EQ(resumed.code, 0) << there << ": " << resumed.err;
    const nlohmann::json after = results("r");
    for (const char* key : {"name", "seed", "models", "best", "device", "isa", "versions", "hops"}) {
      EXPECT_EQ(after[key], before[key]) << there << ": " << key;
    }
    EXPECT_EQ(after["network"]["hop_bytes"], before["network"]["hop_bytes"]);
    EXPECT_EQ(after["network"]["collect_bytes"], before["network"]["collect_bytes"]);
    EXPECT_EQ(after["memory"], before["memory"]);
    EXPECT_FALSE(fs::exists(folder_ / "r" / "nodes")) << there;
    EXPECT_FALSE(fs::exists(folder_ / "r" / "results.json.partial-1-0")) << there;
  }
  const auto written = fs::last_write_time(folder_ / "r" / "results.json");
  ASSERT_EQ(go({"resume", "r"}).code, 0);
  EXPECT_EQ(fs::last_write_time(folder_ / "r" / "results.json"), written) << "what is finished is left alone";
}

// Each start reads all of it; what changes under a run's feet shows at the end. Nothing that was trained is lost.
TEST_F(RunLife, WhoseDataChangeKeepsItsResultsAndSaysWhatToDo) {
  ASSERT_EQ(run("r").code, 0);
  const nlohmann::json before = results("r");
  fs::path file;
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "r" / "data")) {
    if (entry.path().extension() == ".hopd") file = entry.path();
  }
  ASSERT_FALSE(file.empty());
  const std::string whole = read(file);
  std::string changed = whole;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  write(file, changed);
  for (const bool is_there : {false, true}) {
    if (!is_there) fs::remove(folder_ / "r" / "results.json");
    const Finished damaged = go({"resume", "r"});
    EXPECT_EQ(damaged.code, 2) << is_there;
    EXPECT_THAT(damaged.err, AllOf(HasSubstr(file.filename().string()), HasSubstr("trained on changed rows"),
                                   HasSubstr("hop resume")))
        << is_there;
    EXPECT_EQ(results("r")["models"], before["models"]) << is_there;
    EXPECT_THAT(results("r").value("data_damage", ""), HasSubstr(file.filename().string())) << is_there;
  }
  write(file, whole);
  const Finished mended = go({"resume", "r"});
  EXPECT_EQ(mended.code, 0) << mended.err;
  EXPECT_FALSE(results("r").contains("data_damage"));
  EXPECT_EQ(results("r")["models"], before["models"]);
}

// ---- sizes

TEST_F(RunLife, AnExperimentMayBeLongerThanAMessage) {
  std::string values;
  for (int i = 0; i < 160'000; ++i) values += "0." + std::to_string(1'000'000 + i) + ", ";
  ASSERT_GT(values.size(), std::size_t{1} << 20U);
  write(folder_ / "e.toml",
        "name = \"long\"\nseed = 1\n[data]\nsource = \"d.csv\"\npartitions = 2\n[model]\nfamily = \"mlp\"\n"
        "[search]\nmethod = \"random\"\nsamples = 2\nepochs = 1\n[search.space]\nhidden = [16]\n"
        "batch_size = [16]\noptimizer = \"adam\"\nlr = [" +
            values + "]\n[run]\nworkers = 2\n");
  const Finished finished = run("r");
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(results("r")["models"].size(), 2U);
}

// ---- what it says of itself

TEST_F(RunLife, IsRunningWhileItIsLockedAndInterruptedWhenItWasKilled) {
  write(folder_ / "e.toml", experiment("source = \"d.csv\"\npartitions = 2", 3000));
  Program program({"run", "e.toml", "--run-dir", "r"}, folder_->path());
  ASSERT_TRUE(eventually([&] { return commits(folder_ / "r").size() > 4; }));
  const Finished live = go({"report", "r/"});
  EXPECT_EQ(live.code, 0) << live.err;
  EXPECT_THAT(live.out, AllOf(HasSubstr("running"), Not(HasSubstr("interrupted"))));
  EXPECT_THAT(go({"export", "r", "--model", "0", "--to", "m"}).err, HasSubstr("the run goes on"));
  const Finished second = go({"resume", "r"});
  EXPECT_EQ(second.code, 2);
  EXPECT_THAT(second.err, AllOf(HasSubstr("another process"), Not(HasSubstr("to go on"))));
  program.signal(SIGKILL);
  program.wait();
  const Finished dead = go({"report", "r"});
  EXPECT_THAT(dead.out, AllOf(HasSubstr("hop resume r"), Not(HasSubstr("running"))));
  EXPECT_THAT(go({"export", "r", "--model", "0", "--to", "m"}).err,
              AllOf(HasSubstr("model 0 stands at epoch"), HasSubstr("of 3000"), HasSubstr("hop resume r")));
}

TEST_F(RunLife, ExtendedAndInterruptedItExportsTheModelsOfBeforeAndSaysSo) {
  ASSERT_EQ(run("r").code, 0);
  ASSERT_EQ(go({"export", "r", "--best", "--to", "before.safetensors"}).code, 0);
  const std::string answers = go({"predict", "before.safetensors", "d.csv"}).out;
  Program program({"resume", "r", "--epochs", "3000"}, folder_->path());
  ASSERT_TRUE(eventually([&] { return commits(folder_ / "r").size() > 8; }));
  program.signal(SIGINT);
  ASSERT_EQ(program.wait().code, 4);
  const Finished exported = go({"export", "r", "--best", "--to", "after.safetensors"});
  EXPECT_EQ(exported.code, 0) << exported.err;
  EXPECT_THAT(exported.err,
              AllOf(HasSubstr("model 0 stands at epoch "), HasSubstr(" of 3000: this is its state after epoch 2")));
  EXPECT_EQ(go({"predict", "after.safetensors", "d.csv"}).out, answers);
  const Finished predicted = go({"predict", "r", "d.csv"});
  EXPECT_EQ(predicted.out, answers);
  EXPECT_THAT(predicted.err, HasSubstr("this is its state after epoch 2"));
}

TEST_F(RunLife, WithoutDurableStatesItOffersNoResume) {
  write(folder_ / "e.toml", experiment("source = \"d.csv\"\npartitions = 2", 5000));
  Program program({"run", "e.toml", "--run-dir", "r", "--set", "run.durable=false"}, folder_->path());
  ASSERT_TRUE(eventually([&] { return commits(folder_ / "r").size() > 4; }));
  program.signal(SIGINT);
  const Finished ended = program.wait();
  EXPECT_EQ(ended.code, 3) << "4 means resumable";
  for (const std::string& said : {ended.out, ended.err, go({"report", "r"}).out}) {
    EXPECT_THAT(said, Not(HasSubstr("hop resume")));
  }
  const Finished resumed = go({"resume", "r"});
  EXPECT_EQ(resumed.code, 2);
  EXPECT_THAT(resumed.err, HasSubstr("durable = false"));
  ASSERT_EQ(run("whole", {"--set", "run.durable=false", "--set", "search.epochs=1"}).code, 0);
  fs::remove(folder_ / "whole" / "results.json");
  EXPECT_EQ(go({"resume", "whole"}).code, 0) << "nothing is lost where all is done";
}

TEST_F(RunLife, AfterAnErrorItSaysHowToGoOn) {
  write(folder_ / "e.toml", experiment("source = \"d.csv\"\npartitions = 2", 3000));
  Program program({"run", "e.toml", "--run-dir", "r"}, folder_->path());
  ASSERT_TRUE(eventually([&] { return commits(folder_ / "r").size() > 4; }));
  program.signal(SIGKILL);
  program.wait();
  // A file where a worker's folder must be: it cannot store a state.
  for (const char* states : {"r/nodes/w0/states", "r/nodes/w1/states"})
    fs::remove_all(folder_ / states), write(folder_ / states, "");
  const Finished failed = go({"resume", "r"});
  EXPECT_EQ(failed.code, 3) << failed.err;
  EXPECT_THAT(failed.err, HasSubstr("to go on: hop resume r"));
}

TEST_F(RunLife, WhoseDataAreDamagedSaysHowToGetThemBack) {
  ASSERT_EQ(run("r").code, 0);
  for (const std::string damage : {"no manifest", "half a manifest", "half a partition", "a closed folder"}) {
    fs::remove_all(folder_ / "q");
    fs::copy(folder_ / "r", folder_ / "q", fs::copy_options::recursive);
    if (damage == "no manifest") fs::remove(folder_ / "q" / "data" / "manifest.json");
    if (damage == "a closed folder") {  // no entry can be listed
      fs::remove(folder_ / "q" / "data" / "manifest.json");
      fs::permissions(folder_ / "q" / "data", fs::perms::owner_write | fs::perms::owner_exec);
    }
    if (damage == "half a manifest") fs::resize_file(folder_ / "q" / "data" / "manifest.json", 100);
    if (damage == "half a partition") fs::resize_file(folder_ / "q" / "data" / "part-00000.hopd", 100);
    for (const char* verb : {"resume", "replay"}) {
      const Finished refused = go({verb, "q"});
      EXPECT_EQ(refused.code, 2) << damage;
      EXPECT_THAT(refused.err, AllOf(HasSubstr("q/data"), HasSubstr("away, and they are made anew from"))) << damage;
    }
    fs::rename(folder_ / "q" / "data", folder_ / ("away of " + damage));
    fs::permissions(folder_ / ("away of " + damage), fs::perms::owner_all);
    EXPECT_EQ(go({"resume", "q"}).code, 0) << damage;
    EXPECT_EQ(go({"replay", "q"}).code, 0) << damage;
  }
}

// ---- outputs

TEST_F(RunLife, OutputThatCannotBeWrittenIsAnError) {
  ASSERT_EQ(run("r").code, 0);
  for (const char* words : {"report r", "resume r", "resume r --json", "replay r", "data info r/data", "--help",
                            "--version", "export r --model 0 --to m.safetensors"}) {
    EXPECT_NE(run_shell(folder_->path(), shell(words) + " >/dev/full 2>err"), 0) << words;
    EXPECT_THAT(read(folder_ / "err"), HasSubstr("cannot write standard output")) << words;
    EXPECT_NE(run_shell(folder_->path(), shell(words) + " >&- 2>err"), 0) << words << ": closed";
  }
  EXPECT_EQ(run_shell(folder_->path(), shell("report r") + " 2>&- >out"), 0) << "no stderr, nothing to say";
  EXPECT_EQ(run_shell(folder_->path(), shell("report r") + " <&- >out"), 0);
}

// As a full disk; the system would otherwise end the process by a signal, without a word.
TEST_F(RunLife, AFileThatReachesTheLimitOfItsSizeIsAnError) {
  ASSERT_EQ(run("r").code, 0);
  for (const char* words : {"run e.toml --run-dir q", "export r --model 0 --to m.safetensors",
                            "data import csv d.csv --out o", "init d.csv --to i.toml"}) {
    run_shell(folder_->path(), "( ulimit -f 0; " + shell(words) + " 2>&1 >/dev/null; echo code $? ) | cat >err");
    EXPECT_THAT(read(folder_ / "err"),
                AllOf(HasSubstr("File too large"), AnyOf(HasSubstr("code 2"), HasSubstr("code 3"))))
        << words;
  }
  EXPECT_FALSE(fs::exists(folder_ / "q"));
}

TEST_F(RunLife, AClosedStandardFileIsNoDoorIntoTheRun) {
  EXPECT_EQ(run_shell(folder_->path(), shell("run e.toml --run-dir r") + " <&- >&- 2>&-"), 3);
  EXPECT_EQ(go({"replay", "r"}).code, 0) << "no word of ours is in its journal";
}

TEST_F(RunLife, ExportsWhereItIsTold) {
  ASSERT_EQ(run("r").code, 0);
  ASSERT_EQ(go({"export", "r", "--model", "0", "--to", "plain"}).code, 0);
  const std::string bytes = read(folder_ / "plain");
  write(folder_ / "real", "");
  fs::create_symlink("real", folder_ / "link");
  fs::create_symlink("unborn", folder_ / "dangling");
  for (const char* name : {"link", "dangling"}) {
    EXPECT_EQ(go({"export", "r", "--model", "0", "--to", name}).code, 0) << name;
    EXPECT_TRUE(fs::is_symlink(folder_ / name)) << name;
    EXPECT_EQ(read(folder_ / name), bytes) << name;
  }
  EXPECT_EQ(run_shell(folder_->path(),
                      "mkfifo pipe && (cat pipe >got & " + shell("export r --model 0 --to pipe") + " 2>err; wait)"),
            0);
  EXPECT_EQ(read(folder_ / "got"), bytes);
  EXPECT_TRUE(fs::is_fifo(folder_ / "pipe"));
  EXPECT_EQ(run_shell(folder_->path(), shell("export r --model 0 --to /dev/stdout") + " 2>err | cat >piped"), 0);
  EXPECT_EQ(read(folder_ / "piped"), bytes) << "no words among the tensors";
  EXPECT_EQ(go({"export", "r", "--model", "0", "--to", "/dev/null"}).code, 0);
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_EQ(go({"export", "r", "--model", "0", "--to", "/dev/full"}).code, 3);
  fs::create_directory(folder_ / "folder");
  EXPECT_THAT(go({"export", "r", "--model", "0", "--to", "folder"}).err, HasSubstr("the folder"));
}

TEST_F(RunLife, ExportsOverNoFileOfItsOwn) {
  ASSERT_EQ(run("r").code, 0);
  fs::create_symlink("r", folder_ / "link");
  const auto before = hashes(folder_ / "r");
  for (const char* name :
       {"r/models/0.hop", "r/journal", "link/experiment.toml", "r/data/new", "./r/../r/results.json"}) {
    const Finished refused = go({"export", "r", "--model", "0", "--to", name});
    EXPECT_EQ(refused.code, 2) << name;
    EXPECT_THAT(refused.err, HasSubstr("which belongs to the run")) << name;
  }
  EXPECT_EQ(go({"export", "r", "--model", "0", "--to", "r/model.safetensors"}).code, 0) << "beside them";
  EXPECT_EQ(go({"replay", "r"}).code, 0);
  EXPECT_EQ(hashes(folder_ / "r"), before);
}

TEST_F(RunLife, ExportsOnlyTheModelOfTheJournal) {
  write(folder_ / "e.toml", experiment("source = \"d.csv\"\npartitions = 2", 1) + "");
  ASSERT_EQ(run("r", {"--set", "search.space.lr=[0.01, 0.02]"}).code, 0);
  fs::copy_file(folder_ / "r" / "models" / "1.hop", folder_ / "r" / "models" / "0.hop",
                fs::copy_options::overwrite_existing);
  const Finished swapped = go({"export", "r", "--model", "0", "--to", "m"});
  EXPECT_EQ(swapped.code, 3);
  EXPECT_THAT(swapped.err, AllOf(HasSubstr("SHA-256"), HasSubstr("as the journal has it"),
                                 HasSubstr("`hop resume r` trains the model again")));
  EXPECT_FALSE(fs::exists(folder_ / "m"));
  fs::remove(folder_ / "r" / "models" / "0.hop");
  fs::create_directory(folder_ / "r" / "models" / "0.hop");  // nobody can read it, whatever the rights
  EXPECT_THAT(go({"export", "r", "--model", "0", "--to", "m"}).err,
              AllOf(HasSubstr("cannot read"), HasSubstr("make it readable, or remove it, and `hop resume r` trains")));
  EXPECT_THAT(go({"resume", "r"}).err, HasSubstr("make it readable, or remove it to have its model trained again"));
  EXPECT_EQ(go({"export", "r", "--model", "1", "--to", "m"}).code, 0);
  EXPECT_EQ(go({"export", "r", "--model", "001", "--to", "padded"}).code, 0);
  EXPECT_EQ(read(folder_ / "padded"), read(folder_ / "m"));
  EXPECT_THAT(go({"export", "r", "--model", "010", "--to", "m"}).err, HasSubstr("no model 10")) << "ten, not eight";
}

}  // namespace
}  // namespace hop::testing
