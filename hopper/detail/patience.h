// How long the processes of a run wait for each other. Every wait has a limit and a reason. Internal to Hopscotch.
#pragma once

#include <chrono>
#include <cstdint>

#include "net/deadline.h"

namespace hop::hopper {

/// For the transfer of a state: it may stand still for half a minute. In all it may take a minute plus its time on the
/// slowest acceptable link (16 KiB/s).
inline net::Patience patience_with_state(std::uint64_t bytes) {
  constexpr std::uint64_t kSlowestBytesPerSecond = 16 * 1024;
  const auto longest = std::chrono::seconds(60) + std::chrono::seconds(bytes / kSlowestBytesPerSecond);
  return {net::deadline_in(longest), std::chrono::seconds(30)};
}

}  // namespace hop::hopper
