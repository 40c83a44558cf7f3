// Real processes whose surroundings change under them: another build in their place, few descriptors, a frozen thread,
// a terminal that is gone. The bits are those of the run that nobody disturbed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <system_error>

#include "tests/cli/program.h"
#include "tests/cli/toy_run.h"

namespace hop::testing {
namespace {

using ::testing::HasSubstr;

class Surroundings : public ToyRun {
 protected:
  static std::string log(const std::string& directory) { return read(*folder_ / directory / "log"); }
};

TEST_F(Surroundings, ARunDirectoryIsNobodyElsesBusiness) {
  struct stat status {};
  ASSERT_EQ(::stat((*folder_ / "calm").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
}

bool has_a_pipe(pid_t process) {
  std::error_code gone;
  fs::directory_iterator open("/proc/" + std::to_string(process) + "/fd", gone);
  for (; !gone && open != fs::directory_iterator(); open.increment(gone)) {
    std::error_code closed;
    if (fs::read_symlink(open->path(), closed).string().starts_with("pipe:")) return true;
  }
  return false;
}

// A reader of a process's environment or command line learns nothing.
TEST_F(Surroundings, TheSecretOfARunIsInNoEnvironmentNoArgumentAndNoFile) {
  Program program(run_in("secret", {"--set", "search.epochs=60"}), folder_->path());
  ASSERT_TRUE(reach(program, "secret", 4));
  program.signal(SIGSTOP);  // it starts no worker now
  const auto of = [](pid_t process, const char* what) { return read("/proc/" + std::to_string(process) + "/" + what); };
  const std::string environment = of(program.pid(), "environ");
  const std::vector<pid_t> workers = program.children();
  ASSERT_FALSE(workers.empty());
  EXPECT_TRUE(eventually([&] { return std::none_of(workers.begin(), workers.end(), has_a_pipe); }))
      << "it was read once and closed";
  for (const pid_t worker : workers) {
    const std::string environment_of_worker = of(worker, "environ"), words = of(worker, "cmdline");
    if (is_gone(worker)) continue;
    EXPECT_EQ(environment_of_worker, environment) << "nothing is added";
    EXPECT_THAT(words, ::testing::Not(::testing::ContainsRegex("[0-9a-f]{32}")));
  }
  program.signal(SIGCONT);
  program.signal(SIGINT);
  EXPECT_EQ(program.wait().code, 4);
  EXPECT_THAT(log("secret"), ::testing::Not(::testing::ContainsRegex("[0-9a-f]{32}")));
}

TEST_F(Surroundings, AWorkerWithoutARunSaysWhereWorkersComeFrom) {
  const Finished alone =
      shell("exec '" HOP_PROGRAM "' worker --connect unix:/tmp/nowhere --worker 0 --incarnation 1 --node node 3<&-",
            folder_->path());
  EXPECT_NE(alone.code, 0);
  EXPECT_THAT(alone.err, HasSubstr("workers are started by `hop run`"));
}

// Nobody listens there, so it would wait for ten minutes.
TEST_F(Surroundings, AWorkerEndsWithItsStandardInputIfAsked) {
  ASSERT_EQ(hop({"key", "new", "stdin-key"}, folder_->path()).code, 0);
  const Finished ended = shell("exec '" HOP_PROGRAM
                               "' worker --connect 127.0.0.1:1 --key-file stdin-key --node stdin-node "
                               "--end-with-stdin </dev/null",
                               folder_->path());
  EXPECT_EQ(ended.code, 3);
  EXPECT_THAT(ended.err, HasSubstr("standard input has ended"));
}

// A new build is installed while a run goes on; a worker dies.
TEST_F(Surroundings, AReplacedProgramStartsNoWorkerOfAnotherBuild) {
  const fs::path program_path = *folder_ / "hop-of-the-run";
  fs::copy_file(HOP_PROGRAM, program_path);
  Program program(program_path, run_in("replaced"), folder_->path());
  ASSERT_TRUE(reach(program, "replaced", 4));
  fs::rename(program_path, *folder_ / "old");
  fs::copy_file("/bin/false", program_path);
  ::kill(program.children().at(0), SIGKILL);
  const Finished finished = program.wait();
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(hashes(*folder_ / "replaced"), *expected_);
}

TEST_F(Surroundings, TooFewDescriptorsAreNamedWithTheLimitAndTheFixBeforeAnythingTrains) {
  const Finished few = shell("ulimit -n 20; exec '" HOP_PROGRAM
                             "' run toy.toml --run-dir few --workers 16 --set "
                             "data.partitions=16",
                             folder_->path());
  EXPECT_EQ(few.code, 2);
  EXPECT_THAT(few.err, HasSubstr("expected a limit of at least 64 open files for 16 workers, got 20; `ulimit -n 64`"));
  EXPECT_FALSE(fs::exists(*folder_ / "few"));
  const Finished enough =
      shell("ulimit -n 40; exec '" HOP_PROGRAM "' run toy.toml --run-dir enough --workers 4", folder_->path());
  EXPECT_EQ(enough.code, 0) << "with the limit that it asks for: " << enough.err;
  EXPECT_EQ(hashes(*folder_ / "enough"), *expected_);
}

// Stops one thread of a process, as a hang does: the others go on.
class FrozenThread {
 public:
  explicit FrozenThread(pid_t thread) : thread_(thread) {
    is_frozen_ = ::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) == 0 &&
                 ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) == 0;
    if (is_frozen_) ::waitpid(thread_, nullptr, __WALL);
  }
  ~FrozenThread() { reap(); }
  // Lets it die when it was killed: until then its process does not end.
  void reap() const {
    if (is_frozen_) ::waitpid(thread_, nullptr, __WALL | WNOHANG);
  }
  FrozenThread(const FrozenThread&) = delete;
  FrozenThread& operator=(const FrozenThread&) = delete;
  bool is_frozen() const { return is_frozen_; }

 private:
  pid_t thread_;
  bool is_frozen_ = false;
};

// The thread that computes is nicer than the others; 0 while there is none.
pid_t compute_thread(pid_t process) {
  std::map<int, pid_t> by_niceness;
  std::error_code gone;
  for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(process) + "/task", gone)) {
    const std::string stat = read(task.path() / "stat");
    if (stat.empty()) continue;
    std::istringstream fields(stat.substr(stat.rfind(')') + 2));
    std::string field;
    for (int i = 0; i < 17; ++i) fields >> field;  // the 19th of the line
    by_niceness[std::stoi(field)] = std::stoi(task.path().filename());
  }
  return by_niceness.size() > 1 ? by_niceness.rbegin()->second : 0;
}

TEST_F(Surroundings, AWorkerThatStandsStillIsToldOfAndStartedAnew) {
  Program program(run_in("frozen", {"--patience", "6"}), folder_->path());
  ASSERT_TRUE(reach(program, "frozen", 4));
  pid_t thread = 0;
  ASSERT_TRUE(eventually([&] { return (thread = compute_thread(program.children().at(0))) != 0; }));
  const FrozenThread frozen(thread);
  if (!frozen.is_frozen()) GTEST_SKIP() << "no right to trace a process here";
  std::string why;
  EXPECT_TRUE(eventually([&] {
    frozen.reap();
    const Finished asked = hop({"why", "frozen"}, folder_->path());
    if (asked.code == 0 && asked.out.find("nothing has moved for") != std::string::npos) why = asked.out;
    return !why.empty() || !program.running();
  }));
  EXPECT_THAT(why, HasSubstr("worker 0"));
  EXPECT_THAT(why, HasSubstr("model "));
  EXPECT_TRUE(eventually([&] {
    frozen.reap();
    return !program.running();
  }));
  const Finished finished = program.wait();
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_THAT(log("frozen"), ::testing::ContainsRegex("worker [01] was lost .*stood still for [0-9]+ s: .*model"));
  EXPECT_EQ(hashes(*folder_ / "frozen"), *expected_);
}

// A pod that is evicted, an operator's kill, a page of a mapped file that cannot be read: nothing that a model did.
TEST_F(Surroundings, AWorkerThatIsAskedToEndAgainAndAgainCostsNoModel) {
  Program program(
      run_in("evicted", {"--workers", "1", "--set", "search.space.lr=0.001", "--set", "search.space.batch_size=1"}),
      folder_->path());
  for (int kills = 0; kills < 6; ++kills) {
    pid_t victim = 0;
    ASSERT_TRUE(eventually([&] {
      const std::vector<pid_t> workers = program.children();
      victim = workers.size() == 1 ? workers.front() : 0;
      return victim != 0 && compute_thread(victim) != 0;  // it is ready
    }));
    ::kill(victim, kills % 2 == 0 ? SIGTERM : SIGBUS);
    ASSERT_TRUE(eventually([&] { return is_gone(victim); }));
  }
  EXPECT_EQ(program.wait().code, 0);
  EXPECT_EQ(log("evicted").find("set aside"), std::string::npos) << log("evicted");
}

TEST_F(Surroundings, WhySaysThatARunIsOverOrKilled) {
  const Finished over = hop({"why", "calm"}, folder_->path());
  EXPECT_EQ(over.code, 2);
  EXPECT_THAT(over.err, HasSubstr("which is finished: `hop report` shows it"));
  EXPECT_EQ(hop({"why", "nowhere"}, folder_->path()).code, 2);
  EXPECT_FALSE(fs::exists(*folder_ / "calm" / "status"));
}

TEST_F(Surroundings, AHangUpStopsTheRunAfterTheUnitsInFlight) {
  Program program(run_in("hung-up"), folder_->path());
  ASSERT_TRUE(reach(program, "hung-up", 4));
  program.signal(SIGHUP);
  EXPECT_EQ(program.wait().code, 4);
  EXPECT_EQ(hop({"resume", "hung-up"}, folder_->path()).code, 0);
  EXPECT_EQ(hashes(*folder_ / "hung-up"), *expected_);
}

TEST_F(Surroundings, AReaderOfProgressWhoLeavesStopsNothing) {
  const Finished finished = shell("'" HOP_PROGRAM
                                  "' run toy.toml --run-dir unread 2>&1 >/dev/null | true; "
                                  "'" HOP_PROGRAM "' report unread",
                                  folder_->path());
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(hashes(*folder_ / "unread"), *expected_);
}

}  // namespace
}  // namespace hop::testing
