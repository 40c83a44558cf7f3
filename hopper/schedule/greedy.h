// The policy "greedy": load-aware.
#pragma once

#include "hopper/schedule/policy.h"

namespace hop::hopper {

/// Most-loaded worker first (the work of all models that it has yet to do). It takes the ready model that still owes it
/// a visit, lies there already if possible, and has most work left; ties by id. A model leaves a worker that it owes
/// visits only while that worker is busy: with two models per worker or more this hops less often than the fixed order
/// does. A model is prefetched only where no idle worker could train it now, and while enough others wait.
class GreedyPolicy final : public Policy {
 public:
  std::optional<Choice> next(const ScheduleView& view) const override;
};

}  // namespace hop::hopper
