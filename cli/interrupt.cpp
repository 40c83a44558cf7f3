#include "cli/interrupt.h"

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>

namespace hop::cli {
namespace {

constexpr int kEnd = SIGUSR1;  // sent by the destructor to the waiting thread

bool is_ignored(int signal) {
  struct sigaction now {};
  return ::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

// Long enough for a disk that works. What is acknowledged is on the disk, so the rest can be left.
constexpr auto kPatienceWithEnd = std::chrono::seconds(3);

// Ends the program although a thread of it waits for ever. A run that gives no reason ends by itself. A terminal that
// is not read gets no words.
void leave(const std::string& why, const Leaving& leaving) {
  if (why.empty()) return;
  const std::string words = "hop: left at once: " + why + ". " + leaving.words + "\n";
  pollfd to{STDERR_FILENO, POLLOUT, 0};
  const bool is_read = ::poll(&to, 1, 0) > 0 && (to.revents & POLLOUT) != 0;
  if (is_read && ::write(STDERR_FILENO, words.data(), words.size()) < 0) std::_Exit(leaving.code);
  std::_Exit(leaving.code);
}

}  // namespace

InterruptHandler::InterruptHandler(hopper::RunControl& control, Leaving leaving) : leaving_(std::move(leaving)) {
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
      if (!control.wait_for_end(kPatienceWithEnd)) leave(control.last_wait(), leaving_);
    }
  }
}

}  // namespace hop::cli
