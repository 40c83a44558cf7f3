// The policy "random": the scheduler of Cerebro (VLDB 2020), the baseline that other policies are measured against.
#pragma once

#include "hopper/schedule/policy.h"

namespace hop::hopper {

/// A worker with room takes a pair of model and unit at random, each pair that it may train with the same chance. The
/// draw is a hash of (model, unit, partition): the same run makes the same choices, and a model draws anew for each of
/// its units. Idle workers are served before queues are filled. No model is queued while fewer models wait than workers
/// will soon be idle.
class RandomPolicy final : public Policy {
 public:
  static constexpr std::string_view kName = "random";
  std::string_view name() const override { return kName; }
  std::optional<Choice> next(const ScheduleView& view) const override;
};

}  // namespace hop::hopper
