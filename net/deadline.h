// Deadlines: points on the monotonic clock at which a wait gives up. A jump of the wall clock moves none of them.
#pragma once

#include <chrono>

namespace hop::net {

using Deadline = std::chrono::steady_clock::time_point;

/// The deadline of a wait that may take for ever.
inline constexpr Deadline kNever = Deadline::max();

/// The deadline `patience` from now.
inline Deadline deadline_in(std::chrono::nanoseconds patience) { return std::chrono::steady_clock::now() + patience; }

}  // namespace hop::net
