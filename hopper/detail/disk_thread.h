// A thread for work that waits for a disk. It knows its work by name, so that people can be told what a disk that
// stands still holds up. Internal to Hopscotch.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "hopper/detail/reminder.h"

namespace hop::hopper {

class DiskThread {
 public:
  using Clock = std::chrono::steady_clock;
  using Duration = Clock::duration;
  /// How long a piece of work may take before the disk counts as one that stands still. Work with many bytes may take
  /// longer: at 10 MB/s.
  static constexpr std::chrono::seconds kPatience{5};

  explicit DiskThread(Duration patience = kPatience);
  /// Does the work that is left, and waits for the disk as long as that takes.
  ~DiskThread();
  DiskThread(const DiskThread&) = delete;
  DiskThread& operator=(const DiskThread&) = delete;

  /// Does `work` after all earlier work. `what`: its name for people, "writes FILE". `work` must not throw.
  void post(std::string what, std::function<void()> work, std::uint64_t bytes = 0);
  /// Waits until there is no work left, at most for `patience`. False if there is some then.
  bool wait_idle(Duration patience);

  /// The work that the thread does now.
  struct Present {
    std::string what;
    Duration lasts;
    std::size_t behind = 0;  ///< pieces of work that wait for it
  };
  std::optional<Present> present(Clock::time_point now = Clock::now()) const;
  /// A line for people when the present work has taken longer than its patience, and again each time that this has
  /// doubled; one more when it has ended. Else empty. Called by one thread.
  std::string news(Clock::time_point now = Clock::now());

 private:
  struct Work {
    std::string what;
    std::function<void()> body;
    std::uint64_t bytes = 0;
  };
  void run();

  const Duration patience_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> queue_;  // its first one is in work
  Clock::time_point begun_{};
  std::optional<Reminder> reminder_;   // of the first one, since it was looked at
  bool was_told_ = false;              // of the first one
  std::optional<Duration> late_took_;  // work that was told of and has ended
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace hop::hopper
