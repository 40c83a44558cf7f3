#include "hopper/detail/disk_thread.h"

#include <utility>

namespace hop::hopper {
namespace {

constexpr double kSlowestBytesPerSecond = 10e6;

std::string seconds(DiskThread::Duration time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

DiskThread::Duration time_for(std::uint64_t bytes) {
  const std::chrono::duration<double> time(static_cast<double>(bytes) / kSlowestBytesPerSecond);
  return std::chrono::duration_cast<DiskThread::Duration>(time);
}

}  // namespace

DiskThread::DiskThread(Duration patience) : patience_(patience), thread_([this] { run(); }) {}

DiskThread::~DiskThread() {
  {
    const std::scoped_lock lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void DiskThread::post(std::string what, std::function<void()> work, std::uint64_t bytes) {
  {
    const std::scoped_lock lock(mutex_);
    if (queue_.empty()) begun_ = Clock::now();
    queue_.push_back({std::move(what), std::move(work), bytes});
  }
  changed_.notify_all();
}

bool DiskThread::wait_idle(Duration patience) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [this] { return queue_.empty(); });
}

std::optional<DiskThread::Present> DiskThread::present(Clock::time_point now) const {
  const std::scoped_lock lock(mutex_);
  if (queue_.empty()) return std::nullopt;
  return Present{queue_.front().what, now - begun_, queue_.size() - 1};
}

std::string DiskThread::news(Clock::time_point now) {
  const std::scoped_lock lock(mutex_);
  if (const auto took = std::exchange(late_took_, std::nullopt)) {
    return "the disk of the run answers again, after " + seconds(*took);
  }
  if (queue_.empty()) return {};
  if (!reminder_) reminder_.emplace(patience_ + time_for(queue_.front().bytes));
  if (!reminder_->is_due(now - begun_)) return {};
  was_told_ = true;
  const std::size_t behind = queue_.size() - 1;
  return "the disk of the run has not answered for " + seconds(now - begun_) + ": the coordinator " +
         queue_.front().what + (behind > 0 ? ", and " + std::to_string(behind) + " more writes wait behind it" : "") +
         "; nothing counts as committed before it is on the disk";
}

void DiskThread::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ends_ || !queue_.empty(); });
    if (queue_.empty()) return;
    begun_ = Clock::now();
    reminder_.reset();
    std::function<void()> body = std::move(queue_.front().body);
    lock.unlock();
    body();
    body = nullptr;  // it may hold a state of gigabytes
    lock.lock();
    if (std::exchange(was_told_, false)) late_took_ = Clock::now() - begun_;
    queue_.pop_front();
    changed_.notify_all();
  }
}

}  // namespace hop::hopper
