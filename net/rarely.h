// Says a line at once, and repeats it only rarely.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace hop::net {

/// For lines that a stranger can provoke at will. The first line passes, then at most one per `interval`, with the
/// number of lines left out.
class Rarely {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Rarely(Clock::duration interval = std::chrono::seconds(10)) : interval_(interval) {}

  /// The line to say now; empty if this one is left out.
  std::string line(const std::string& text, Clock::time_point now = Clock::now()) {
    if (has_spoken_ && now - last_ < interval_) {
      ++left_out_;
      return {};
    }
    has_spoken_ = true;
    last_ = now;
    const std::string more = left_out_ == 0 ? "" : " (and " + std::to_string(left_out_) + " more since the last line)";
    left_out_ = 0;
    return text + more;
  }

 private:
  Clock::duration interval_;
  Clock::time_point last_{};
  std::uint64_t left_out_ = 0;
  bool has_spoken_ = false;
};

}  // namespace hop::net
