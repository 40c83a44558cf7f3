// Rounds of chaos: one run each, disturbed at moments and in ways that are drawn from a seed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/faults/arena.h"

namespace hop::testing {

struct ChaosReport {
  std::vector<std::string> faults;  ///< in their order, each with the unit at which it came
  std::map<std::string, int> kinds;
  std::string wrong;  ///< empty: the run ended as the calm one did
};

/// Runs one round to its end.
ChaosReport chaos_round(const Arena& arena, const Trial& trial, std::uint64_t seed);

}  // namespace hop::testing
