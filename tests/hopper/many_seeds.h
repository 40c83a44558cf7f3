// Simulations of many seeds.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

#include "hopper/simulate/simulation.h"

namespace hop::hopper::simulate {

/// HOP_SIMULATE_SEEDS, or else `otherwise`.
inline std::uint64_t seeds(std::uint64_t otherwise) {
#ifdef __SANITIZE_THREAD__
  otherwise /= 5;  // the simulator has one thread, and is ten times as slow
#endif
  const char* text = std::getenv("HOP_SIMULATE_SEEDS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// A state is on its way for longer than most workers take to begin their next lives.
inline Scenario with_slow_links(Scenario scenario) {
  scenario.transfer_time = seconds(1);
  return scenario;
}

/// Runs the scenario that `draw` makes of each seed below `count`. The first one that breaks a promise ends the test.
inline void expect_promises_kept(std::uint64_t count, const std::function<Scenario(std::uint64_t)>& draw) {
  for (std::uint64_t seed = 0; seed < count; ++seed) {
    const Scenario scenario = draw(seed);
    try {
      Simulation(scenario).run();
    } catch (const std::exception& broken) {
      FAIL() << describe(scenario) << "\n  broken: " << broken.what();
    }
  }
}

}  // namespace hop::hopper::simulate
