// The policy "queue": a worker trains its models on, and then takes the next one from the queue.
#pragma once

#include "hopper/schedule/policy.h"

namespace hop::hopper {

/// A worker with room takes the first model of this list:
///   1. a model that is at home here: its state lies here, and it may go on here; most work left first;
///   2. the next model that is at home nowhere: nobody has begun it, or it must travel on; by id;
///   3. if nothing is at home here: a model whose home is busy, most work left first.
/// So a model leaves its home only for an idle worker. Idle workers are served before queues are filled. While fewer
/// models wait than workers will soon be idle, no model of the second kind is queued: it could wait behind a long unit.
/// A worker that is away will be idle when it comes, as at the start of a run, where some are ready before others.
class QueuePolicy final : public Policy {
 public:
  static constexpr std::string_view kName = "queue";
  std::string_view name() const override { return kName; }
  std::optional<Choice> next(const ScheduleView& view) const override;
};

}  // namespace hop::hopper
