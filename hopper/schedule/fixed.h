// The policy for `order = fixed`: of the models that wait for a worker, most work left first.
#pragma once

#include "hopper/schedule/policy.h"

namespace hop::hopper {

/// Each ready model has one place to go, so only the order in a worker's queue is chosen: longest remaining work first,
/// ties by id. Idle workers are served before queues are filled.
class FixedPolicy final : public Policy {
 public:
  std::optional<Choice> next(const ScheduleView& view) const override;
};

}  // namespace hop::hopper
