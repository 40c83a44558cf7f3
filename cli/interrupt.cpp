#include "cli/interrupt.h"

#include <csignal>
#include <cstdlib>

#include "cli/commands.h"

namespace hop::cli {
namespace {

constexpr int kEnd = SIGUSR1;  // sent by the destructor to the waiting thread

bool is_ignored(int signal) {
  struct sigaction now {};
  return ::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

}  // namespace

InterruptHandler::InterruptHandler(hopper::RunControl& control) {
  sigemptyset(&signals_);
  for (const int signal : {SIGINT, SIGTERM, kEnd}) sigaddset(&signals_, signal);
  if (!is_ignored(SIGHUP)) sigaddset(&signals_, SIGHUP);
  std::signal(SIGPIPE, SIG_IGN);
  pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  thread_ = std::thread([this, &control] { wait(control); });
}

InterruptHandler::~InterruptHandler() {
  ending_ = true;
  pthread_kill(thread_.native_handle(), kEnd);
  thread_.join();
  if (interrupts_ > 0) std::signal(SIGINT, SIG_IGN);  // a third Ctrl-C would end the program without its exit code
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void InterruptHandler::wait(hopper::RunControl& control) {
  while (true) {
    int signal = 0;
    sigwait(&signals_, &signal);
    if (signal == kEnd) {
      if (ending_) return;
      continue;
    }
    if (++interrupts_ == 1) {
      control.stop();
    } else {
      if (!control.abort()) std::_Exit(kInterrupted);  // nothing trains yet: the data are being prepared
    }
  }
}

}  // namespace hop::cli
