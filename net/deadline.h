// Deadlines: points on the monotonic clock at which a wait gives up. A jump of the wall clock moves none of them.
#pragma once

#include <chrono>

namespace hop::net {

using Deadline = std::chrono::steady_clock::time_point;

/// The deadline of a wait that may take for ever.
inline constexpr Deadline kNever = Deadline::max();

/// The deadline `patience` from now.
inline Deadline deadline_in(std::chrono::nanoseconds patience) { return std::chrono::steady_clock::now() + patience; }

/// How long an operation on a connection may take: until `deadline`, and, where `stall` is not zero, no longer than
/// that without a single byte that moves. A large state on a slow link takes its time; a link that stands still does
/// not.
struct Patience {
  Patience(Deadline until = kNever) : deadline(until) {}  // NOLINT: a deadline is the simplest patience
  Patience(Deadline until, std::chrono::nanoseconds without_a_byte) : deadline(until), stall(without_a_byte) {}

  Deadline deadline;
  std::chrono::nanoseconds stall{0};
};

}  // namespace hop::net
