#include "cli/screen.h"

#include <signal.h>
#include <sys/ioctl.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "cli/write_all.h"

namespace hop::cli {
namespace {

using Lines = std::vector<std::string>;

constexpr std::size_t kMaxNotices = 1000;
constexpr auto kLastWords = std::chrono::seconds(1);

std::string up(std::size_t lines) { return lines == 0 ? "" : "\x1b[" + std::to_string(lines) + "A"; }

// Turns notices and progress into text for a terminal or a log.
class Painter {
 public:
  Painter(bool repaints, int descriptor) : repaints_(repaints), descriptor_(descriptor) {}

  std::string paint(const std::deque<std::string>& notices, std::optional<Lines> progress) {
    if (!repaints_) return plain(notices) + (progress ? plain(*progress) : "");
    if (progress) block_ = *std::move(progress);
    std::string text = up(painted_);
    for (const std::string& notice : notices) text += "\x1b[2K" + notice + "\n";
    for (const std::string& line : block_) text += "\x1b[2K" + line.substr(0, width()) + "\n";
    std::size_t below = painted_ > notices.size() + block_.size() ? painted_ - notices.size() - block_.size() : 0;
    for (std::size_t i = 0; i < below; ++i) text += "\x1b[2K\n";
    text += up(below);
    painted_ = block_.size();
    return text;
  }

 private:
  template <class Texts>
  static std::string plain(const Texts& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
  }
  std::size_t width() const {
    winsize size{};
    return ::ioctl(descriptor_, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1U : 79U;
  }

  bool repaints_;
  int descriptor_;
  Lines block_;
  std::size_t painted_ = 0;
};

}  // namespace

// Outlives the screen if its thread is stuck in a write.
struct Screen::Shared {
  bool repaints = false;
  int descriptor = 2;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::string> notices;
  std::size_t left_out = 0;
  std::optional<Lines> progress;
  bool writing = false, ending = false, ended = false;
};

Screen::Screen(bool repaints, int descriptor) : shared_(std::make_shared<Shared>()) {
  shared_->repaints = repaints;
  shared_->descriptor = descriptor;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // signals must go to the threads that wait for them
  std::thread([shared = shared_] { write_on(shared); }).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Screen::~Screen() {
  std::unique_lock lock(shared_->mutex);
  shared_->ending = true;
  shared_->changed.notify_all();
  shared_->changed.wait_for(lock, kLastWords, [this] { return shared_->ended; });
}

void Screen::show(Lines lines) {
  const std::scoped_lock lock(shared_->mutex);
  shared_->progress = std::move(lines);
  shared_->changed.notify_all();
}

void Screen::notice(std::string line) {
  const std::scoped_lock lock(shared_->mutex);
  if (shared_->notices.size() >= kMaxNotices) {
    ++shared_->left_out;
  } else {
    shared_->notices.push_back(std::move(line));
  }
  shared_->changed.notify_all();
}

void Screen::write_on(const std::shared_ptr<Shared>& shared) {
  Painter painter(shared->repaints, shared->descriptor);
  std::unique_lock lock(shared->mutex);
  for (bool is_read = true; is_read;) {
    const auto has_work = [&] { return !shared->notices.empty() || shared->progress.has_value(); };
    shared->changed.wait(lock, [&] { return has_work() || shared->ending; });
    if (!has_work()) break;
    std::deque<std::string> notices = std::exchange(shared->notices, {});
    if (const std::size_t more = std::exchange(shared->left_out, 0); more > 0) {
      notices.push_back("(" + std::to_string(more) + " lines more, which are in the run's log)");
    }
    const std::string text = painter.paint(notices, std::exchange(shared->progress, std::nullopt));
    lock.unlock();
    is_read = write_all(shared->descriptor, text);
    lock.lock();
  }
  shared->ended = true;
  shared->changed.notify_all();
}

}  // namespace hop::cli
