// Runs a piece of device code in every way that must not matter. Over kernels/simt: the CUDA threads of a block and the
// blocks of a grid in four orders, on one and two OS threads. On a GPU: several times, for the hardware chooses.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "kernels/cuda/language.h"

namespace hop::testing {

#if defined(HOP_SIMT)

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kRaceCheck = true;  ///< slow: ten times the memory, twenty times the work; keep sizes small
#else
inline constexpr bool kRaceCheck = false;
#endif

/// Sets the executor's options, and what they were when it goes.
class ScheduleGuard {
 public:
  ScheduleGuard(simt::Schedule schedule, std::uint64_t seed, unsigned workers) : before_(simt::options()) {
    simt::options().schedule = schedule;
    simt::options().seed = seed;
    simt::options().workers = workers;
  }
  ~ScheduleGuard() { simt::options() = before_; }
  ScheduleGuard(const ScheduleGuard&) = delete;
  ScheduleGuard& operator=(const ScheduleGuard&) = delete;

 private:
  simt::Options before_;
};

/// Calls f() once per schedule. A failure says under which.
template <class F>
void for_each_schedule(F f) {
  struct Way {
    const char* name;
    simt::Schedule schedule;
    std::uint64_t seed;
    unsigned workers;
  };
  const Way ways[] = {{"in order, 1 worker", simt::Schedule::in_order, 0, 1},
                      {"reversed, 2 workers", simt::Schedule::reversed, 0, 2},
                      {"shuffled with seed 1, 1 worker", simt::Schedule::shuffled, 1, 1},
                      {"shuffled with seed 2, 2 workers", simt::Schedule::shuffled, 2, 2}};
  for (const Way& way : std::span(ways, kRaceCheck ? 2 : 4)) {  // a race check sees races in any order
    SCOPED_TRACE(way.name);
    const ScheduleGuard guard(way.schedule, way.seed, way.workers);
    f();
  }
}

#else

inline constexpr bool kRaceCheck = false;

/// Calls f() several times. A failure says at which.
template <class F>
void for_each_schedule(F f) {
  for (int run = 0; run < 4; ++run) {
    SCOPED_TRACE("run " + std::to_string(run));
    f();
  }
}

#endif

/// Expects that f(), a std::vector of results, gives the same bits in every way; returns them.
template <class F>
auto same_bits_in_every_schedule(F f) {
  decltype(f()) first;
  bool is_first = true;
  for_each_schedule([&] {
    auto results = f();
    if (is_first) first = results;
    is_first = false;
    ASSERT_EQ(results.size(), first.size());
    for (std::size_t i = 0; i < results.size(); ++i) {
      // Not ==: 0 and -0 differ in bits, NaN equals itself.
      ASSERT_EQ(std::memcmp(&results[i], &first[i], sizeof results[i]), 0)
          << "element " << i << ": " << results[i] << " after " << first[i];
    }
  });
  return first;
}

}  // namespace hop::testing
