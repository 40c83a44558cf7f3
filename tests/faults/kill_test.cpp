// The coordinator is killed at one of its system calls, and the run goes on from there. Counted are the calls of all
// threads of the coordinator but those that wait or look at the clock: how many of them there are depends on the
// moment, and nothing is changed by them. HOP_KILLS says how many of the first calls are tried, each one.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>

#include <algorithm>
#include <iostream>
#include <optional>
#include <set>

#include "tests/faults/arena.h"
#include "tests/faults/tracer.h"

namespace hop::testing {
namespace {

bool waits(const SystemCall& call) {
  static const std::set<std::uint64_t> calls = {SYS_futex,         SYS_epoll_wait,      SYS_epoll_pwait,
                                                SYS_poll,          SYS_restart_syscall, SYS_sched_yield,
                                                SYS_clock_gettime, SYS_clock_nanosleep, SYS_madvise};
  return calls.contains(call.number);
}

// Whether the call may change a file or a folder.
bool touches_files(const SystemCall& call) {
  static const std::set<std::uint64_t> calls = {SYS_write,  SYS_pwrite64, SYS_fsync,    SYS_fdatasync,
                                                SYS_rename, SYS_unlink,   SYS_unlinkat, SYS_mkdir,
                                                SYS_rmdir,  SYS_link,     SYS_ftruncate};
  const bool creates = call.number == SYS_openat && (call.arguments[2] & O_CREAT) != 0;
  return creates || calls.contains(call.number);
}

using Counts = bool (*)(const SystemCall&);
bool works(const SystemCall& call) { return !waits(call); }

class KilledAtACall : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!why_no_tracing().empty()) return;
    const int models = 4 + number_from_environment("HOP_KILLS", 0) / kPointsOfAModel;
    arena_.emplace(ArenaSize{.models = models, .partitions = 2, .workers = 1, .data = ArenaData::Table});
    points_ = different_ = 0;
  }
  static void TearDownTestSuite() {
    arena_.reset();
    if (points_ > 0) std::cout << "kills: " << points_ << " points; different: " << different_ << std::endl;
  }
  void SetUp() override {
    if (const std::string why = why_no_tracing(); !why.empty()) GTEST_SKIP() << why;
  }

  // How many calls of a kind the coordinator makes when nobody disturbs it.
  static int count(Counts counts) {
    const Trial trial(*arena_, "count");
    int calls = 0;
    Tracer tracer(words(trial), trial.folder(), Tracer::Scope::Process);
    tracer.on_entry = [&](const SystemCall& call) { return calls += counts(call) ? 1 : 0, true; };
    EXPECT_EQ(tracer.run(), 0) << tracer.errors();
    EXPECT_EQ(trial.verdict(), "");
    std::cout << "a run makes " << calls << " calls" << std::endl;
    return calls;
  }

  // Kills at call `point` and goes on. A run that makes fewer calls ends by itself.
  static void kill_at(int point, Counts counts) {
    const Trial trial(*arena_, "killed-at-" + std::to_string(point));
    int left = point;
    SystemCall last;
    Tracer tracer(words(trial), trial.folder(), Tracer::Scope::Process);
    tracer.on_entry = [&](const SystemCall& call) {
      last = call;
      return !counts(call) || left-- > 1;
    };
    const int code = tracer.run();
    ++points_;
    std::string wrong;
    if (code != 0 && code != 128 + SIGKILL)
      wrong = "it ended with code " + std::to_string(code) + ": " + tracer.errors();
    if (code != 0 && wrong.empty()) {
      const Finished again = trial.go_on();
      if (again.code != 0) wrong = "going on, it ended with code " + std::to_string(again.code) + ": " + again.err;
    }
    if (wrong.empty()) wrong = trial.verdict();
    if (wrong.empty()) return;
    ++different_;
    ADD_FAILURE() << "killed at call " << point << " (number " << last.number << "): " << wrong
                  << "\nkept: " << trial.keep();
  }

  static std::vector<std::string> words(const Trial& trial) {
    std::vector<std::string> words = trial.words_to_run();
    words.insert(words.begin(), HOP_PROGRAM);
    return words;
  }

  static constexpr int kPointsOfAModel = 52;  // that one model more is good for

  static inline std::optional<Arena> arena_;
  static inline int points_ = 0;
  static inline int different_ = 0;
};

TEST_F(KilledAtACall, GoesOnFromAnyMoment) {
  constexpr int kSpread = 40;
  const int calls = count(works);
  const int wanted = number_from_environment("HOP_KILLS", 0);
  EXPECT_GE(calls, wanted) << "the run is too small to be killed at so many calls";
  for (int i = 0; i < kSpread && wanted == 0; ++i) kill_at(1 + i * calls / kSpread, works);
  for (int point = 1; point <= wanted; ++point) kill_at(point, works);
}

TEST_F(KilledAtACall, GoesOnFromTheLastCallsThatTouchFiles) {
  constexpr int kLast = 16;
  const int calls = count(touches_files);
  ASSERT_GT(calls, kLast);
  for (int point = calls - kLast + 1; point <= calls; ++point) kill_at(point, touches_files);
}

}  // namespace
}  // namespace hop::testing
