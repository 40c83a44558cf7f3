// Many models on one worker, killed when most of their states lie on its disk. HOP_MODELS says how many.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <thread>

#include "tests/faults/arena.h"

namespace hop::testing {
namespace {

namespace fs = std::filesystem;

// The most memory that a process has had so far, in MB.
std::uint64_t peak_memory(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; status >> word;) {
    if (std::uint64_t kilobytes = 0; word == "VmHWM:" && status >> kilobytes) return kilobytes / 1024;
  }
  return 0;
}

struct Peaks {
  std::uint64_t coordinator = 0, worker = 0;
};

// Watches a program until it ends or `until` holds.
template <class F>
void watch(Program& program, Peaks& peaks, const F& until) {
  while (program.running() && !until()) {
    peaks.coordinator = std::max(peaks.coordinator, peak_memory(program.pid()));
    for (const pid_t worker : program.children()) peaks.worker = std::max(peaks.worker, peak_memory(worker));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

TEST(ManyModels, GoOnWhenTheyAreKilledWithMostOfTheirStatesOnADisk) {
  const int models = number_from_environment("HOP_MODELS", 200);
  const auto most = static_cast<std::size_t>(models) * 9 / 10;
  const Arena arena(
      {.models = models, .partitions = 2, .epochs = 1, .workers = 1, .rows = 100, .data = ArenaData::Table});
  const Trial trial(arena, "many");
  Peaks peaks;
  const auto begin = std::chrono::steady_clock::now();
  std::size_t states = 0;
  {
    Program program(trial.words_to_run(), trial.folder());
    watch(program, peaks, [&] { return (states = states_in(trial.run_directory() / "nodes").size()) >= most; });
    if (program.running()) program.signal(SIGKILL);  // it is over where nobody looked at it for seconds
    program.wait();
  }
  const double first = seconds_since(begin);
  Program program(trial.words_to_go_on(), trial.folder());
  watch(program, peaks, [] { return false; });
  const Finished finished = program.wait();
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(trial.verdict(), "");
  std::cout << "models: " << models << ", killed with " << states << " states after " << first << " s, resumed for "
            << seconds_since(begin) - first << " s; peak memory: coordinator " << peaks.coordinator << " MB, worker "
            << peaks.worker << " MB" << std::endl;
}

}  // namespace
}  // namespace hop::testing
