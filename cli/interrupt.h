// Ctrl-C: once stops a run after the units in flight, twice stops it now, also while its disk does not answer. SIGTERM
// counts as Ctrl-C, and so does SIGHUP (a terminal is closed, an ssh connection breaks).
#pragma once

#include <pthread.h>

#include <atomic>
#include <string>
#include <thread>

#include "cli/commands.h"
#include "hopper/run.h"

namespace hop::cli {

/// What the program says, and its exit code, when a second Ctrl-C makes it leave a run that does not end.
struct Leaving {
  std::string words = "Committed units are on the disk; what came after the last commit is trained again";
  int code = kInterrupted;
};

/// While it lives, SIGINT, SIGTERM and SIGHUP (unless the program was started under nohup) go to `control`. A write to
/// a pipe without a reader fails instead of ending the process. If one came, the program ignores SIGINT afterwards: it
/// is about to end, with the exit code of an interruption. Construct it before any other thread starts.
class InterruptHandler {
 public:
  explicit InterruptHandler(hopper::RunControl& control, Leaving leaving = {});
  ~InterruptHandler();
  InterruptHandler(const InterruptHandler&) = delete;
  InterruptHandler& operator=(const InterruptHandler&) = delete;

 private:
  void wait(hopper::RunControl& control);
  const Leaving leaving_;
  sigset_t signals_{};
  sigset_t before_{};
  std::atomic<bool> ending_ = false;
  int interrupts_ = 0;  // counted by the thread, read when it has ended
  std::thread thread_;
};

}  // namespace hop::cli
