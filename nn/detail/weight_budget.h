// A bound on the weights of a model that is built from the description in a file. The file may come from anyone, and a
// few bytes of text describe a model that no memory holds.
#pragma once

#include <cstdint>

namespace hop::nn::detail {

/// As long as it lives, fresh_weight() and filled_weight() of this thread throw ConfigError once all their weights
/// together would take more than `bytes`. Layers allocate each parameter and buffer whose size a description names by
/// one of the two.
class WeightBudget {
 public:
  explicit WeightBudget(std::uint64_t bytes);
  ~WeightBudget();
  WeightBudget(const WeightBudget&) = delete;
  WeightBudget& operator=(const WeightBudget&) = delete;

  /// Takes `bytes` from the budget of this thread, if it has one.
  static void take(std::uint64_t bytes);

 private:
  std::uint64_t bytes_, left_;
  WeightBudget* outer_;
};

}  // namespace hop::nn::detail
