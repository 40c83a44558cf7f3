#include "hopper/schedule/fixed.h"

#include <algorithm>
#include <vector>

namespace hop::hopper {
namespace {

// Per worker: the most work that a model will have left which trains there now and stays there for its next unit.
std::vector<double> claims(const ScheduleView& view) {
  const Plan& plan = view.plan;
  std::vector<double> claim(view.workers.size(), 0);
  for (const ModelView& model : view.models) {
    if (!model.busy_at || model.units_left < 2) continue;
    const std::uint32_t next_unit = plan.units() - model.units_left + 1;
    if (plan.owner(plan.partition(model.id, next_unit)) != *model.busy_at) continue;
    double& most = claim[model.busy_at->index()];
    most = std::max(most, (model.units_left - 1) * model.unit_seconds);
  }
  return claim;
}

}  // namespace

std::optional<Choice> FixedPolicy::next(const ScheduleView& view) const {
  const std::vector<double> claim = claims(view);
  const ModelView* best = nullptr;
  std::uint32_t best_queued = 0;
  for (const ModelView& model : view.models) {
    if (!model.ready) continue;
    const WorkerView& worker = view.workers[view.plan.owner(model.candidates.front()).index()];
    if (!worker.alive || worker.queued >= view.queue_depth || model.work_left() < claim[worker.id.index()]) continue;
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
