#include "cli/line_pipe.h"

#include <fcntl.h>
#include <signal.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "cli/write_all.h"

namespace hop::cli {
struct LinePipe::Body {
  Body(int file, std::function<void()> gone) : descriptor(file), on_gone(std::move(gone)) {
    ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);  // a worker that holds it would hide the end from the reader
  }

  void write_on() {
    std::unique_lock lock(mutex);
    while (true) {
      const auto has_work = [this] { return !waiting.empty() || newest.has_value(); };
      changed.wait(lock, [&] { return has_work() || ending; });
      if (!has_work()) return;
      std::string text = std::exchange(waiting, {});
      if (newest) text += *std::exchange(newest, std::nullopt) + "\n";
      if (is_gone) continue;
      lock.unlock();
      const bool is_read = write_all(descriptor, text);
      if (!is_read && on_gone) on_gone();
      lock.lock();
      is_gone = !is_read;
    }
  }

  const int descriptor;
  const std::function<void()> on_gone;
  std::mutex mutex;
  std::condition_variable changed;
  std::string waiting;  // whole lines
  std::optional<std::string> newest;
  bool ending = false, is_gone = false;
  std::thread thread;
};

LinePipe::LinePipe(int descriptor, std::function<void()> on_gone)
    : body_(std::make_unique<Body>(descriptor, std::move(on_gone))) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // signals must go to the threads that wait for them
  body_->thread = std::thread([body = body_.get()] { body->write_on(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LinePipe::~LinePipe() {
  {
    const std::scoped_lock lock(body_->mutex);
    body_->ending = true;
    body_->changed.notify_all();
  }
  body_->thread.join();
}

// A line that stays comes after the newest one of the others: the order of the calls.
void LinePipe::write(std::string line) {
  const std::scoped_lock lock(body_->mutex);
  if (body_->newest) body_->waiting += *std::exchange(body_->newest, std::nullopt) + "\n";
  body_->waiting += line + "\n";
  body_->changed.notify_all();
}

void LinePipe::latest(std::string line) {
  const std::scoped_lock lock(body_->mutex);
  body_->newest = std::move(line);
  body_->changed.notify_all();
}

}  // namespace hop::cli
