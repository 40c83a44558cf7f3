// Random numbers for scripts: a generator that counts its draws.
//
//   Generator generator(seed);
//   Tensor x = randn({64, 10}, generator), order = randperm(64, generator);
//
// A training run has no generator: its modules draw from addresses that their place in the run decides
// (Module::next_random), so the numbers do not depend on the order of the calls.
#pragma once

#include <cstdint>

#include "tensor/random.h"

namespace hop {

/// The k-th draw has the address of step k under a key that the seed decides: same seed, same numbers, on every device.
/// For one thread at a time. A copy continues alone, with the same numbers.
class Generator {
 public:
  explicit Generator(std::uint64_t seed);
  /// The address of the next draw. A function that runs twice (checkpoint) draws the same in its second run. Throws
  /// StateError while a step is captured: each replay would draw the same numbers again.
  RandomAddress next();
  /// A generator stands where an address is expected, and draws.
  operator RandomAddress() { return next(); }

  std::uint64_t seed() const { return seed_; }
  /// How often it has drawn.
  std::uint64_t draws() const { return draws_; }

 private:
  std::uint64_t seed_, key_, draws_ = 0;
};

}  // namespace hop
