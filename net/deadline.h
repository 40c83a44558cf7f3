// Deadlines: points on the monotonic clock at which a wait gives up. A jump of the wall clock moves none of them.
#pragma once

#include <chrono>

namespace hop::net {

using Deadline = std::chrono::steady_clock::time_point;

/// The deadline of a wait that may take for ever.
inline constexpr Deadline kNever = Deadline::max();

/// The deadline `patience` from now.
inline Deadline deadline_in(std::chrono::nanoseconds patience) { return std::chrono::steady_clock::now() + patience; }

/// How long an operation on a connection may take: until `deadline`. If `stall` is not zero, the operation also ends
/// when no byte has moved for `stall`. So a large state may take its time on a slow link, but a link that stands still
/// is given up.
struct Patience {
  Patience(Deadline until = kNever) : deadline(until) {}  // NOLINT: a deadline is the simplest patience
  Patience(Deadline until, std::chrono::nanoseconds without_a_byte) : deadline(until), stall(without_a_byte) {}

  Deadline deadline;
  std::chrono::nanoseconds stall{0};
};

}  // namespace hop::net
