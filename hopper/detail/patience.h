// How long the processes of a run wait for each other. Every wait has an end and a reason. Internal to Hopscotch.
#pragma once

#include <chrono>
#include <cstdint>

#include "net/deadline.h"

namespace hop::hopper {

/// For a state on its way: it may stand still for half a minute, and takes a minute at most beside the time that it
/// needs on the slowest link that still counts as one (16 KiB/s).
inline net::Patience patience_with_state(std::uint64_t bytes) {
  constexpr std::uint64_t kSlowestBytesPerSecond = 16 * 1024;
  const auto longest = std::chrono::seconds(60) + std::chrono::seconds(bytes / kSlowestBytesPerSecond);
  return {net::deadline_in(longest), std::chrono::seconds(30)};
}

}  // namespace hop::hopper
