// Decides when a long wait is worth a line. A pure rule over times. Internal to Hopscotch.
#pragma once

#include <algorithm>
#include <chrono>

namespace hop::hopper {

/// The first line comes when a wait has lasted `first`, and one more each time that the wait has doubled.
class Reminder {
 public:
  using Duration = std::chrono::steady_clock::duration;
  explicit Reminder(Duration first) : next_(std::max(first, Duration(1))) {}

  /// Whether a line is due for a wait that has lasted so long. True once for each line.
  bool is_due(Duration waited) {
    if (waited < next_) return false;
    while (next_ <= waited) next_ *= 2;
    return true;
  }

 private:
  Duration next_;
};

}  // namespace hop::hopper
