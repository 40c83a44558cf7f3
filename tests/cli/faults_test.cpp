// Real processes, killed at bad moments. Every run must end with the bits of the run that nobody disturbed.
// Long because each strategy and each kind of death is a case of its own.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <regex>
#include <thread>

#include "tests/cli/toy_run.h"

namespace hop::testing {
namespace {

class Faults : public ToyRun {
 protected:
  // Kills a worker in the middle of the run, waits until its successor lives, and does it again.
  static void kill_workers(const std::string& directory, const std::vector<std::string>& more,
                           const std::vector<std::size_t>& moments) {
    Program program(run_in(directory, more), folder_->path());
    for (const std::size_t units : moments) {
      ASSERT_TRUE(reach(program, directory, units));
      const std::vector<pid_t> workers = program.children();
      ASSERT_FALSE(workers.empty());
      const pid_t victim = workers[units % workers.size()];
      ::kill(victim, SIGKILL);
      ASSERT_TRUE(eventually([&] {
        const std::vector<pid_t> now = program.children();
        return now.size() == workers.size() && std::find(now.begin(), now.end(), victim) == now.end();
      })) << "a new life of the worker";
    }
    const Finished finished = program.wait();
    EXPECT_EQ(finished.code, 0) << finished.err;
  }
  static void kill_workers_and_compare(const std::string& directory, const std::vector<std::string>& more,
                                       const std::vector<std::size_t>& moments = {5, 17, 30},
                                       const std::map<int, std::string>& expected = *expected_) {
    ASSERT_NO_FATAL_FAILURE(kill_workers(directory, more, moments));
    EXPECT_EQ(hashes(*folder_ / directory), expected);
  }

  // Kills the coordinator in the middle of the run, and again while it resumes.
  static void kill_coordinator_and_compare(const std::string& directory, const std::vector<std::string>& more,
                                           const std::vector<std::size_t>& moments,
                                           const std::map<int, std::string>& expected = *expected_) {
    for (const std::size_t units : moments) {
      const bool is_first = units == moments.front();
      Program program(is_first ? run_in(directory, more) : std::vector<std::string>{"resume", directory},
                      folder_->path());
      const bool is_going = reach(program, directory, units);
      ASSERT_TRUE(is_going || !is_first);
      if (!is_going) break;
      const std::vector<pid_t> workers = program.children();
      program.signal(SIGKILL);
      program.wait();
      for (const pid_t worker : workers) EXPECT_TRUE(eventually([&] { return is_gone(worker); }));
    }
    const Finished resumed = hop({"resume", directory}, folder_->path());
    EXPECT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_EQ(hashes(*folder_ / directory), expected);
  }

  // The hashes of the models when nobody disturbs the run.
  static std::map<int, std::string> calm(const std::string& directory, const std::vector<std::string>& more) {
    const Finished finished = hop(run_in(directory, more), folder_->path());
    EXPECT_EQ(finished.code, 0) << finished.err;
    return hashes(*folder_ / directory);
  }
};

TEST_F(Faults, TheNumberOfWorkersAndTheTransportChangeNoBit) {
  for (const std::string workers : {"1", "4"}) {
    ASSERT_EQ(hop(run_in("w" + workers, {"--workers", workers}), folder_->path()).code, 0);
    EXPECT_EQ(hashes(*folder_ / ("w" + workers)), *expected_) << workers;
  }
  ASSERT_EQ(hop(run_in("tcp", {"--set", "run.transport=tcp"}), folder_->path()).code, 0);
  EXPECT_EQ(hashes(*folder_ / "tcp"), *expected_);
}

TEST_F(Faults, AWorkerKilledInMidUnitIsStartedAgain) { kill_workers_and_compare("killed", {}); }

// Twelve units, each a whole epoch. With task_data half of the rows come from the worker that is killed.
TEST_F(Faults, AProcessKilledInMidTaskIsStartedAgain) {
  for (const std::string setting : {"policy=queue", "task_data=remote", "task_data=replicate"}) {
    const std::vector<std::string> more = {"--set", "run.strategy=task_parallel", "--set", "run." + setting};
    kill_workers_and_compare("killed-" + setting, more, {2, 5, 8});
    kill_coordinator_and_compare("orphaned-" + setting, more, {3, 6, 9});
  }
}

// Twelve units, each an epoch of four replicas. The two workers are a group: each kill breaks a unit of both off. The
// judge is one worker.
TEST_F(Faults, ReplicasOfAKilledProcessAreTrainedAgain) {
  for (const auto& [strategy, option] :
       {std::pair("allreduce", "reduce_exchange=direct"), std::pair("averaging", "average_every=40"),
        std::pair("averaging", "average_passes=2"), std::pair("parameter_server", "servers=1")}) {
    const std::string name = std::string(strategy) + "-" + option;
    const std::vector<std::string> more = {"--set", "run.strategy=" + std::string(strategy), "--set",
                                           "run." + std::string(option)};
    std::vector<std::string> alone = more;
    alone.insert(alone.end(), {"--workers", "1"});
    const std::map<int, std::string> expected = calm("calm-" + name, alone);
    EXPECT_NE(expected, *expected_);
    kill_workers_and_compare("killed-" + name, more, {2, 5, 8}, expected);
    kill_coordinator_and_compare("orphaned-" + name, more, {3, 6, 9}, expected);
  }
}

// Of both members, so of the server and of the member that pushes to it. Each run has an order of its own: the judge is
// its journal.
TEST_F(Faults, AnAsynchronousRunWhoseMembersAreKilledReplaysBitForBit) {
  ASSERT_NO_FATAL_FAILURE(
      kill_workers("killed-async", {"--set", "run.strategy=parameter_server", "--set", "run.mode=async"}, {3, 5, 8}));
  const std::map<int, std::string> models = hashes(*folder_ / "killed-async");
  EXPECT_EQ(models.size(), expected_->size());
  const Finished replayed = hop({"replay", "killed-async"}, folder_->path());
  EXPECT_EQ(replayed.code, 0) << replayed.out << replayed.err;
}

// Two groups of two workers, between which the models hop.
TEST_F(Faults, AModelThatHopsBetweenGroupsLosesNothingWithAKilledMember) {
  const std::vector<std::string> more = {"--set", "run.group=2", "--workers", "4"};
  const std::map<int, std::string> expected = calm("calm-grouped", {"--set", "run.group=2", "--workers", "1"});
  EXPECT_NE(expected, *expected_);
  kill_workers_and_compare("killed-grouped", more, {2, 5, 8}, expected);
  kill_coordinator_and_compare("orphaned-grouped", more, {3, 6, 9}, expected);
}

// Three members, of which each kill breaks a unit off. The judge is a run with the same exchange that nobody disturbs.
TEST_F(Faults, AKilledMemberIsReplacedAndTheBitsAreThoseOfItsExchange) {
  for (const std::string exchange : {"ring", "halving_doubling"}) {
    const std::vector<std::string> more = {
        "--set", "run.strategy=allreduce", "--set", "run.reduce_exchange=" + exchange, "--workers", "3"};
    const std::map<int, std::string> expected = calm("calm-" + exchange, more);
    EXPECT_NE(expected, *expected_);
    kill_workers_and_compare("killed-" + exchange, more, {2, 5, 8}, expected);
    kill_coordinator_and_compare("orphaned-" + exchange, more, {3, 6, 9}, expected);
  }
}

TEST_F(Faults, AKilledWorkerIsToldOfWithItsUnitAndWithWhoTakesItOver) {
  for (const std::string directory : {"told", "told-json"}) {
    // Units take a while: when the worker is killed, it has one in hand.
    std::vector<std::string> more = {"--workers", "1",
                                     "--set",     "model.layers=[\"flatten\", \"linear 128\", \"linear 10\"]",
                                     "--set",     "search.space.batch_size=1"};
    if (directory == "told-json") more.push_back("--json");
    Program program(run_in(directory, more), folder_->path());
    ASSERT_TRUE(reach(program, directory, 5));
    ::kill(program.children().at(0), SIGKILL);
    const Finished finished = program.wait();
    EXPECT_EQ(finished.code, 0);
    const std::regex told(
        "worker 0 was lost in the middle of (model \\d's unit of epoch \\d on partition \\d): killed by signal 9.*\n"
        "(?:.*\n)*?"
        "worker 0, started again \\(process \\d+\\), (?:redoes|still had the result of) \\1\n");
    EXPECT_TRUE(std::regex_search(finished.err, told)) << finished.err;
    EXPECT_TRUE(std::regex_search(read(*folder_ / directory / "log"), told)) << "the run's log has it, too";
    EXPECT_EQ(finished.out.find("worker 0 was lost"), std::string::npos) << "results alone";
  }
}

TEST_F(Faults, AModelWhoseUnitCrashesItsWorkerThreeTimesIsSetAsideWithALineAndMayBeRetried) {
  // One model, whose units take a while: a worker that was just given one still has it in hand when it is killed.
  Program program(
      run_in("set-aside", {"--workers", "1", "--set", "model.layers=[\"flatten\", \"linear 1024\", \"linear 10\"]",
                           "--set", "search.space.lr=0.001", "--set", "search.space.batch_size=1"}),
      folder_->path());
  const auto log = [] { return read(*folder_ / "set-aside" / "log"); };
  const auto times = [&](const std::string& word) {
    const std::string text = log();
    std::size_t found = 0;
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
    return found;
  };
  const auto kill = [&] {
    const std::size_t losses = times(" was lost ");
    ::kill(program.children().at(0), SIGSEGV);  // as if the unit had done it
    return eventually([&] { return times(" was lost ") > losses; });
  };
  // A kill may come right before the next unit.
  for (std::size_t units = 1; times(" in the middle of ") == 0; ++units) {
    ASSERT_TRUE(reach(program, "set-aside", units));
    ASSERT_TRUE(kill());
  }
  for (const std::size_t begun_again : {1U, 2U}) {
    ASSERT_TRUE(eventually([&] { return times(" redoes ") == begun_again; })) << log();
    ASSERT_TRUE(kill()) << log();
  }
  EXPECT_EQ(program.wait().code, 3) << "no model came through";
  const std::regex told(
      " was lost in the middle of model 0's unit of epoch \\d on partition \\d: killed by signal 11.*\n"
      "model 0 is set aside: unit \\d+ ended its worker 3 times \\(killed by signal 11\\)\n");
  EXPECT_TRUE(std::regex_search(log(), told)) << log();
  EXPECT_EQ(hop({"resume", "set-aside"}, folder_->path()).code, 3) << "it stays there";
  const Finished unknown = hop({"resume", "set-aside", "--retry", "--model", "7"}, folder_->path());
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.err.find("no model 7"), std::string::npos) << unknown.err;
  const Finished forgotten = hop({"resume", "set-aside", "--model", "0"}, folder_->path());
  EXPECT_NE(forgotten.code, 0);
  EXPECT_NE(forgotten.err.find("--retry"), std::string::npos) << forgotten.err;
  const Finished retried = hop({"resume", "set-aside", "--retry", "--model", "0"}, folder_->path());
  EXPECT_EQ(retried.code, 0) << retried.err;
  EXPECT_EQ(retried.err.find("trained again"), std::string::npos) << "from its newest state: " << retried.err;
  const Finished again = hop({"resume", "set-aside", "--retry", "--model", "0"}, folder_->path());
  EXPECT_EQ(again.code, 2);
  EXPECT_NE(again.err.find("which is finished"), std::string::npos) << again.err;
  EXPECT_NE(read(*folder_ / "set-aside" / "results.json").find("\"finished\""), std::string::npos);
}

// A worker reads its rows from a mapped file. When their bytes are gone, the worker ends by SIGBUS in the middle of a
// unit, which is no fault of the model. Its next life says which file it was.
TEST_F(Faults, APartitionThatIsCutOffWhileItIsReadIsNamedAndBlamesNoModel) {
  Program program(run_in("cut", {"--set", "search.epochs=40"}), folder_->path());
  ASSERT_TRUE(reach(program, "cut", 6));
  const fs::path file = *folder_ / "cut" / "data" / "part-00000.hopd";
  const std::string whole = read(file);
  ASSERT_EQ(::truncate(file.c_str(), 5000), 0);
  const Finished finished = program.wait();
  EXPECT_EQ(finished.code, 2) << finished.err;
  EXPECT_NE(finished.err.find("cut/data/part-00000.hopd"), std::string::npos) << finished.err;
  EXPECT_NE(finished.err.find("killed by signal 7: a file of its data became shorter"), std::string::npos)
      << finished.err;
  write(file, whole);
  EXPECT_EQ(finished.err.find("set aside"), std::string::npos);
  Program resumed({"resume", "cut"}, folder_->path());
  EXPECT_TRUE(reach(resumed, "cut", commits(*folder_ / "cut").size() + 4)) << "it goes on";
}

TEST_F(Faults, TheOnlyWorkerKilledInMidUnitIsStartedAgain) { kill_workers_and_compare("alone", {"--workers", "1"}); }

TEST_F(Faults, AWorkerKilledRightAfterACommitLosesNothing) {
  Program program(run_in("committed"), folder_->path());
  for (int kills = 0; kills < 3; ++kills) {
    const std::size_t before = commits(*folder_ / "committed").size();
    ASSERT_TRUE(reach(program, "committed", std::max<std::size_t>(before + 1, 4)));
    const hopper::record::Commit last = commits(*folder_ / "committed").back();
    const std::vector<pid_t> workers = program.children();
    ASSERT_GT(workers.size(), last.worker.index());
    ::kill(workers[last.worker.index()], SIGKILL);
    ASSERT_TRUE(eventually([&] { return program.children() != workers && program.children().size() == 2; }));
  }
  EXPECT_EQ(program.wait().code, 0);
  EXPECT_EQ(hashes(*folder_ / "committed"), *expected_);
}

TEST_F(Faults, AWorkerThatFallsSilentIsReplaced) {
  Program program(run_in("silent"), folder_->path());
  ASSERT_TRUE(reach(program, "silent", 5));
  const pid_t victim = program.children().front();
  ::kill(victim, SIGSTOP);
  EXPECT_TRUE(eventually([&] { return is_gone(victim); }));
  EXPECT_EQ(program.wait().code, 0);
  EXPECT_EQ(hashes(*folder_ / "silent"), *expected_);
}

// The other member of its group waits for it meanwhile, and is not taken for the one that stands still.
TEST_F(Faults, AMemberThatFallsSilentIsReplacedAndTheOthersAreNot) {
  for (const std::string strategy : {"allreduce", "averaging", "parameter_server"}) {
    SCOPED_TRACE(strategy);
    const std::vector<std::string> more = {"--set", "run.strategy=" + strategy, "--set", "search.epochs=12"};
    std::vector<std::string> alone = more;
    alone.insert(alone.end(), {"--workers", "1"});
    const std::map<int, std::string> expected = calm("calm-member-" + strategy, alone);
    const std::string directory = "silent-member-" + strategy;
    Program program(run_in(directory, more), folder_->path());
    ASSERT_TRUE(reach(program, directory, 3));
    const std::vector<pid_t> workers = program.children();
    ASSERT_EQ(workers.size(), 2U);
    ::kill(workers[1], SIGSTOP);
    EXPECT_TRUE(eventually([&] { return is_gone(workers[1]); }));
    EXPECT_FALSE(is_gone(workers[0]));
    EXPECT_EQ(program.wait().code, 0);
    EXPECT_EQ(hashes(*folder_ / directory), expected);
  }
}

TEST_F(Faults, AKilledCoordinatorTakesItsWorkersWithItAndTheRunResumes) {
  kill_coordinator_and_compare("orphans", {}, {10, 20, 30});
}

TEST_F(Faults, CtrlCOnceStopsAfterTheUnitsInFlightAndPrintsHowToGoOn) {
  Program program(run_in("interrupted"), folder_->path());
  ASSERT_TRUE(reach(program, "interrupted", 6));
  program.signal(SIGINT);
  const Finished finished = program.wait();
  ASSERT_EQ(finished.code, 4) << finished.err;
  EXPECT_NE(finished.out.find("hop resume interrupted\n"), std::string::npos) << finished.out;
  EXPECT_EQ(hop({"resume", "interrupted"}, folder_->path()).code, 0);
  EXPECT_EQ(hashes(*folder_ / "interrupted"), *expected_);
}

TEST_F(Faults, CtrlCTwiceStopsNowAndCanBeResumed) {
  Program program(run_in("twice"), folder_->path());
  ASSERT_TRUE(reach(program, "twice", 6));
  program.signal(SIGINT);
  program.signal(SIGTERM);
  EXPECT_EQ(program.wait().code, 4);
  EXPECT_EQ(hop({"resume", "twice"}, folder_->path()).code, 0);
  EXPECT_EQ(hashes(*folder_ / "twice"), *expected_);
}

// One of them comes after the last words.
TEST_F(Faults, CtrlCUntilTheEndChangesNoExitCode) {
  for (const std::string directory : {"held-0", "held-1", "held-2"}) {
    Program program(run_in(directory), folder_->path());
    ASSERT_TRUE(reach(program, directory, 6));
    while (program.running()) {
      program.signal(SIGINT);
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    EXPECT_EQ(program.wait().code, 4);
    EXPECT_EQ(hop({"resume", directory}, folder_->path()).code, 0);
  }
  EXPECT_EQ(hashes(*folder_ / "held-0"), *expected_);
}

TEST_F(Faults, ADamagedStateOnADiskIsTrainedAgain) {
  {
    Program program(run_in("damaged"), folder_->path());
    ASSERT_TRUE(reach(program, "damaged", 8));
    program.signal(SIGKILL);
    program.wait();
  }
  // A finished but uncommitted state may lie there too; damage only what no commit names.
  std::size_t torn = 0;
  for (const auto& file : fs::recursive_directory_iterator(*folder_ / "damaged" / "nodes")) {
    if (file.path().extension() != ".hop") continue;
    bool committed = false;
    for (const auto& c : commits(*folder_ / "damaged")) {
      committed = committed || file.path().stem() == std::to_string(c.model.value) + "-" + to_string(after(c.unit));
    }
    if (committed) continue;
    fs::resize_file(file.path(), fs::file_size(file.path()) / 2);
    ++torn;
  }
  RecordProperty("torn", static_cast<int>(torn));
  write(*folder_ / "damaged" / "nodes" / "w0" / "states" / "9-9.hop", "no state at all");
  EXPECT_EQ(hop({"resume", "damaged"}, folder_->path()).code, 0);
  EXPECT_EQ(hashes(*folder_ / "damaged"), *expected_);
}

TEST_F(Faults, AFreeRunReplaysBitForBit) {
  ASSERT_EQ(hop(run_in("free", {"--set", "run.order=free"}), folder_->path()).code, 0);
  const Finished replayed = hop({"replay", "free"}, folder_->path());
  EXPECT_EQ(replayed.code, 0) << replayed.out;
  for (const auto& [id, sha256] : hashes(*folder_ / "free")) {
    EXPECT_NE(replayed.out.find(sha256), std::string::npos) << id;
  }
}

}  // namespace
}  // namespace hop::testing
