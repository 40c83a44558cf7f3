#include "hopper/schedule/fixed.h"

namespace hop::hopper {

std::optional<Choice> FixedPolicy::next(const ScheduleView& view) const {
  const ModelView* best = nullptr;
  std::uint32_t best_queued = 0;
  for (const ModelView& model : view.models) {
    if (!model.ready) continue;
    const WorkerView& worker = view.workers[view.plan.owner(model.candidates.front()).index()];
    if (!worker.alive || worker.queued >= view.queue_depth) continue;
    const bool better = best == nullptr || worker.queued < best_queued ||
                        (worker.queued == best_queued && model.work_left() > best->work_left());
    if (!better) continue;
    best = &model;
    best_queued = worker.queued;
  }
  if (best == nullptr) return std::nullopt;
  const PartitionId partition = best->candidates.front();
  return Choice{best->id, view.plan.owner(partition), partition};
}

}  // namespace hop::hopper
