// The policy "greedy": load-aware.
#pragma once

#include "hopper/schedule/policy.h"

namespace hop::hopper {

/// The worker with the most work left, over all models, chooses first. It chooses among the ready models that still owe
/// it a visit: first those whose state is already there, then those with most work left, then by id. A model leaves a
/// worker to which it still owes visits only while that worker is busy. So with two or more models per worker there are
/// fewer hops than in the fixed order. A model is prefetched only if no idle worker could train it now, and if enough
/// other models wait.
class GreedyPolicy final : public Policy {
 public:
  static constexpr std::string_view kName = "greedy";
  std::optional<Choice> next(const ScheduleView& view) const override;
  std::string_view name() const override { return kName; }
};

}  // namespace hop::hopper
