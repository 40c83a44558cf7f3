// Random search (Bergstra and Bengio, JMLR 2012).
#pragma once

#include "hopper/search/search.h"
#include "hopper/search/space.h"

namespace hop::hopper {

/// `samples` configurations. Each value is a function of (seed, name, trial) alone. So hyperparameters are independent
/// of each other, and the values stay the same when another hyperparameter is added or their order changes. Floats are
/// rounded to six significant digits.
class RandomSearch final : public Search {
 public:
  /// Throws ConfigError for a bad space and for samples == 0.
  RandomSearch(Space space, std::uint32_t samples, std::uint64_t seed);
  std::optional<Proposal> ask() override;

 private:
  Space space_;
  std::uint32_t samples_;
  std::uint64_t seed_;
  std::uint32_t next_ = 0;
};

}  // namespace hop::hopper
