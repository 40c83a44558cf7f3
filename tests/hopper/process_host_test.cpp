// Processes that end at once: which lives share one, and whom the end of one is held against.
#include "hopper/detail/process_host.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

constexpr Peer life(std::uint32_t worker, std::uint32_t incarnation = 1) {
  return {WorkerId(worker), Incarnation(incarnation)};
}

class Processes : public ::testing::Test {
 protected:
  void host_by(std::uint32_t workers_per_process) {
    const ProcessHostOptions options{"/bin/false", "unix:/nowhere", std::string(32, '0'), folder_.path(),
                                     workers_per_process};
    host_.emplace(io_.get_executor(), options, [this](Peer peer, const WorkerHost::End& end) {
      ends_[peer.worker.value] = end;
      if (ends_.size() == expected_) io_.stop();
    });
  }
  // Begins these lives in one turn and waits for their ends.
  std::map<std::uint32_t, WorkerHost::End> ends_of(const std::vector<Peer>& lives) {
    ends_.clear();
    expected_ = lives.size();
    for (const Peer peer : lives) host_->start(peer);
    wait();
    return ends_;
  }
  void wait() {
    io_.restart();
    io_.run();
  }

  TemporaryFolder folder_;
  net::asio::io_context io_;
  std::map<std::uint32_t, WorkerHost::End> ends_;
  std::size_t expected_ = 0;
  std::optional<ProcessHost> host_;
};

TEST_F(Processes, OfOneWorkerBlameIt) {
  host_by(1);
  for (const auto& [worker, end] : ends_of({life(0), life(1)})) {
    EXPECT_EQ(end.how, "exited with code 1") << worker;
    EXPECT_FALSE(end.by_host) << worker;
  }
}

TEST_F(Processes, OfSeveralWorkersBlameNone) {
  host_by(2);
  const auto ends = ends_of({life(0), life(1), life(2)});
  ASSERT_EQ(ends.size(), 3U);
  for (const std::uint32_t worker : {0U, 2U}) {  // two processes take three workers in turn
    EXPECT_EQ(ends.at(worker).how, "exited with code 1 (a process of 2 workers)") << worker;
    EXPECT_TRUE(ends.at(worker).by_host) << worker;
  }
  EXPECT_EQ(ends.at(1).how, "exited with code 1");
  EXPECT_FALSE(ends.at(1).by_host);
}

TEST_F(Processes, AreNotSharedByLaterLives) {
  host_by(3);
  for (const auto& [worker, end] : ends_of({life(0, 2), life(1, 2)})) {
    EXPECT_EQ(end.how, "exited with code 1") << worker;
    EXPECT_FALSE(end.by_host) << worker;
  }
}

TEST_F(Processes, AreNotBegunForLivesThatWereKilledBefore) {
  host_by(2);
  expected_ = 2;
  for (const Peer peer : {life(0), life(1)}) host_->start(peer);
  EXPECT_EQ(host_->pid(WorkerId(0)), 0);
  for (const Peer peer : {life(0), life(1)}) host_->kill(peer);
  wait();
  for (const auto& [worker, end] : ends_) {
    EXPECT_EQ(end.how, "did not begin") << worker;
    EXPECT_TRUE(end.by_host) << worker;
  }
}

// Processes that do not end when they are killed, as if a disk held them. The program `env` executes the first word of
// a worker's arguments, "worker", which is a script here.
class HeldProcess : public Processes {
 protected:
  HeldProcess() : path_(std::getenv("PATH")) {
    std::ofstream(folder_ / "worker") << "#!/bin/sh\n: > " << begun("$$").string() << "\nexec sleep 600\n";
    std::filesystem::permissions(folder_ / "worker", std::filesystem::perms::owner_all);
    ::setenv("PATH", (folder_.path().string() + ":" + path_).c_str(), 1);
    ProcessHostOptions options{"/usr/bin/env", "unix:/nowhere", std::string(32, '0'), folder_.path()};
    options.end = [](pid_t) {};
    host_.emplace(io_.get_executor(), options, [this](Peer peer, const WorkerHost::End& end) {
      ends_[peer.worker.value] = end;
      io_.stop();
    });
    host_->start(life(0));
    pid_ = host_->pid(WorkerId(0));
  }
  ~HeldProcess() override {
    end();
    ::waitpid(pid_, nullptr, 0);
    ::setenv("PATH", path_.c_str(), 1);
  }
  void end() const { ::kill(pid_, SIGKILL); }
  // A file that the process makes when its script begins.
  std::filesystem::path begun(const std::string& process) const { return folder_ / ("begun-" + process); }
  // A process that nobody has waited for counts as gone.
  static bool is_gone(pid_t process) {
    std::ifstream file("/proc/" + std::to_string(process) + "/stat");
    std::string number, name, state;
    return !(file >> number >> name >> state) || state == "Z";
  }

  std::string path_;
  pid_t pid_ = 0;
};

TEST_F(HeldProcess, IsLeftWhenItsEndIsWaitedForNoLonger) {
  host_->kill(life(0));
  EXPECT_FALSE(host_->leave(life(1)));
  EXPECT_TRUE(host_->leave(life(0)));
  wait();
  EXPECT_EQ(ends_.at(0).how, "killed, but process " + std::to_string(pid_) + " did not end");
  EXPECT_TRUE(ends_.at(0).by_host) << "no model is to blame";
  EXPECT_EQ(host_->pid(WorkerId(0)), 0);
  host_->start(life(0, 2));
  const pid_t next = host_->pid(WorkerId(0));
  EXPECT_NE(next, pid_);
  ::kill(next, SIGKILL);
  EXPECT_TRUE(host_->end_all(std::chrono::seconds(60)).empty());
}

TEST_F(HeldProcess, IsNamedAtTheEndOfTheRun) {
  EXPECT_EQ(host_->end_all(std::chrono::milliseconds(50)), std::vector<Peer>{life(0)});
  end();
  EXPECT_TRUE(host_->end_all(std::chrono::seconds(60)).empty());
}

// This one looks at no connection, so only the kernel can end it.
TEST_F(HeldProcess, EndsWithTheProcessThatStartedIt) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t coordinator = ::fork();
  if (coordinator == 0) {
    host_->start(life(1));
    const pid_t worker = host_->pid(WorkerId(1));
    while (!std::filesystem::exists(begun(std::to_string(worker)))) ::usleep(1000);
    const ssize_t written = ::write(ends[1], &worker, sizeof worker);
    ::kill(::getpid(), written == sizeof worker ? SIGKILL : SIGTERM);
  }
  pid_t worker = 0;
  ASSERT_EQ(::read(ends[0], &worker, sizeof worker), static_cast<ssize_t>(sizeof worker));
  for (const int end : ends) ::close(end);
  ::waitpid(coordinator, nullptr, 0);
  for (int i = 0; !is_gone(worker) && i < 500; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(is_gone(worker));
  ::kill(worker, SIGKILL);
}

TEST_F(HeldProcess, DoesNotHoldUpTheEndOfTheProgram) {
  const auto begin = std::chrono::steady_clock::now();
  host_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
  EXPECT_EQ(::kill(pid_, 0), 0) << "it is still there";
}

}  // namespace
}  // namespace hop::hopper
