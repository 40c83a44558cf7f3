// Decides whether a worker lives and makes progress. A pure rule over times. Internal to Hopscotch.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace hop::hopper {

/// The coordinator's patience with a worker that speaks but makes no progress: `floor`, or longer if the units of this
/// run take long (20 times the median of the latest units) or its states are large (at 10 MB/s).
class Patience {
 public:
  using Duration = std::chrono::steady_clock::duration;
  explicit Patience(Duration floor) : floor_(floor) {}

  void unit_took(double seconds, std::uint64_t state_bytes) {
    constexpr std::size_t kRemembered = 101;
    largest_ = std::max(largest_, state_bytes);
    if (latest_.size() < kRemembered) {
      latest_.push_back(seconds);
    } else {
      latest_[next_++ % kRemembered] = seconds;
    }
  }
  Duration longest() const {
    double seconds = static_cast<double>(largest_) / 10e6;
    if (!latest_.empty()) {
      std::vector<double> sorted = latest_;
      const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
      std::nth_element(sorted.begin(), middle, sorted.end());
      seconds = std::max(seconds, 20 * *middle);
    }
    const std::chrono::duration<double> adapted(std::min(seconds, 1e9));
    return std::max(floor_, std::chrono::duration_cast<Duration>(adapted));
  }

 private:
  Duration floor_;
  std::vector<double> latest_;
  std::size_t next_ = 0;
  std::uint64_t largest_ = 0;
};

/// The signs of life of one worker's life.
class Pulse {
 public:
  using Clock = std::chrono::steady_clock;

  /// A life begins.
  void start(Clock::time_point now) { *this = Pulse(now); }
  /// `arrived` bytes have come from the worker so far. A part of a large message is also a sign of life and, while a
  /// state is `on_its_way`, a sign of progress.
  void look(std::uint64_t arrived, bool on_its_way, Clock::time_point now) {
    if (arrived == arrived_) return;
    arrived_ = arrived;
    heard_ = now;
    if (on_its_way) moved_ = now;
  }
  /// A heartbeat counts as progress if its number has changed.
  void beat(std::uint64_t progress, Clock::time_point now) {
    if (progress != progress_) moved_ = now;
    progress_ = progress;
  }
  /// The worker made progress, or it was idle until now and has work again.
  void move(Clock::time_point now) { moved_ = now; }
  /// This process stood still for `lag` and could not hear the worker: that time does not count.
  void forgive(Clock::duration lag) {
    heard_ += lag;
    moved_ += lag;
  }
  Clock::duration silent_for(Clock::time_point now) const { return now - heard_; }
  Clock::duration stands_still_for(Clock::time_point now) const { return now - moved_; }

 private:
  explicit Pulse(Clock::time_point now) : heard_(now), moved_(now) {}

 public:
  Pulse() = default;

 private:
  Clock::time_point heard_{}, moved_{};
  std::uint64_t arrived_ = 0, progress_ = 0;
};

/// The pause before a worker is started again after this many fruitless lives in a row: none after the first, then 0.2
/// s, 0.4 s, ... up to 5 s.
inline std::chrono::milliseconds pause_after(std::uint32_t fruitless_lives) {
  if (fruitless_lives < 2) return std::chrono::milliseconds(0);
  const std::uint32_t doublings = std::min(fruitless_lives - 2, 5U);
  return std::min(std::chrono::milliseconds(200U << doublings), std::chrono::milliseconds(5000));
}

}  // namespace hop::hopper
