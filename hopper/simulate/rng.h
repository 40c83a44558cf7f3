// The simulator's only source of chance: one seed decides a whole run.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace hop::hopper::simulate {

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
class Rng {
 public:
  explicit Rng(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  /// Uniform in [0, n).
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(((next() >> 32) * n) >> 32); }
  /// Uniform in [low, high].
  std::uint32_t between(std::uint32_t low, std::uint32_t high) { return low + below(high - low + 1); }
  /// Uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  bool chance(double probability) { return uniform() < probability; }
  /// Uniform in [0, longest].
  Time time_up_to(Time longest) {
    return Time(static_cast<Time::rep>(uniform() * static_cast<double>(longest.count())));
  }

 private:
  std::uint64_t state_;
};

}  // namespace hop::hopper::simulate
