// The policy for `order = free`: load-aware greedy.
#pragma once

#include "hopper/schedule/policy.h"

namespace hop::hopper {

/// Most-loaded worker first (the work of all models that it has yet to do), then the ready model with most work left
/// that still owes it a visit; ties by id. A model is prefetched only where no idle worker could train it now.
class GreedyPolicy final : public Policy {
 public:
  std::optional<Choice> next(const ScheduleView& view) const override;
};

}  // namespace hop::hopper
