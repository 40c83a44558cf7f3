// A run whose disk stops answering: a pipe that nobody reads lies where its log should be when a line is to be written.
// Each later write waits for that line, those of the journal too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <chrono>

#include "tests/cli/toy_run.h"

namespace hop::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class HungDisk : public ToyRun {};

TEST_F(HungDisk, IsNamedByHopWhyAndCtrlCTwiceEndsTheRunAllTheSame) {
  Program program(run_in("hung"), folder_->path());
  ASSERT_TRUE(reach(program, "hung", 6));
  const fs::path log = *folder_ / "hung" / "log";
  fs::rename(log, log.string() + ".real");
  ASSERT_EQ(::mkfifo(log.c_str(), 0600), 0);
  ::kill(program.children().at(0), SIGKILL);  // so that there is a line to write
  const fs::path status = *folder_ / "hung" / "status";
  ASSERT_TRUE(eventually([&] { return read(status).find("writes " + log.string()) != std::string::npos; }));
  fs::rename(log, *folder_ / "pipe");  // it is open: no program of the test needs to look at it
  fs::rename(log.string() + ".real", log);
  const Finished why = hop({"why", "hung"}, folder_->path());
  EXPECT_THAT(why.out, ContainsRegex("its disk +for +[0-9.]+ s  writes .*hung/log")) << why.err;
  const std::size_t committed = commits(*folder_ / "hung").size();
  program.signal(SIGINT);
  ASSERT_FALSE(eventually([&] { return !program.running(); }, std::chrono::seconds(1))) << "the disk is waited for";
  const auto begin = std::chrono::steady_clock::now();
  program.signal(SIGINT);
  const Finished finished = program.wait();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  EXPECT_EQ(finished.code, 4);
  EXPECT_THAT(finished.err, HasSubstr("left at once: the coordinator waits for its disk: it writes "));
  EXPECT_THAT(finished.err, ContainsRegex("to go on: hop resume .*hung"));
  EXPECT_EQ(commits(*folder_ / "hung").size(), committed);
  const Finished resumed = hop({"resume", "hung"}, folder_->path());
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(hashes(*folder_ / "hung"), *expected_);
}

}  // namespace
}  // namespace hop::testing
