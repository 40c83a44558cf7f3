// The search for a bug that was planted into the coordinator or into a worker.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <iostream>
#include <string>

#include "base/error.h"

namespace hop::hopper::simulate {

/// Seeds of scenarios: those below `end`, from `first` on.
struct Seeds {
  std::uint64_t first = 0, end = 0;
};

/// Expects that one of the scenarios notices the bug, and that the first one to notice it names the broken promise.
/// `run(seed)` runs a scenario with the bug.
template <class Run>
void expect_found_out(const char* bug, const char* promise, Seeds seeds, const Run& run) {
  for (std::uint64_t seed = seeds.first; seed < seeds.end; ++seed) {
    try {
      run(seed);
    } catch (const Error& broken) {
      EXPECT_NE(std::string(broken.what()).find(promise), std::string::npos) << broken.what();
      std::cout << bug << ": seed " << seed << ", " << broken.what() << '\n';
      return;
    }
  }
  FAIL() << "seeds " << seeds.first << " to " << seeds.end << ", and nothing was noticed";
}

}  // namespace hop::hopper::simulate
