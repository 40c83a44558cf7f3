// A run whose process is killed in the middle, as by the system.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>

#include "hopper/run.h"

namespace hop::hopper {

/// Runs `experiment` in a child that is killed when `units` units are done. This process can go on with the run. Fails
/// fatally if the run ends before: ASSERT_NO_FATAL_FAILURE(run_until_killed(..)).
inline void run_until_killed(const Experiment& experiment, const std::filesystem::path& directory,
                             std::uint64_t units) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    RunOptions options{.run_directory = directory};
    options.progress_interval = std::chrono::milliseconds(1);
    options.on_progress = [units](const RunProgress& progress) {
      if (progress.units_done >= units) kill(getpid(), SIGKILL);
    };
    run(experiment, options);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

}  // namespace hop::hopper
