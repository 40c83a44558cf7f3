// Time. Code that decides takes `now` as an argument. Only the outermost layers read a clock.
#pragma once

#include <chrono>

namespace hop {

/// Time since the start of a run (production) or of a simulation (virtual). Never wall-clock time.
using Time = std::chrono::nanoseconds;

/// Measures elapsed time on the monotonic clock.
class Stopwatch {
 public:
  Stopwatch() : start_(std::chrono::steady_clock::now()) {}
  Time elapsed() const { return std::chrono::steady_clock::now() - start_; }
  double seconds() const { return std::chrono::duration<double>(elapsed()).count(); }
  void restart() { start_ = std::chrono::steady_clock::now(); }

 private:
  std::chrono::steady_clock::time_point start_;
};

}  // namespace hop
