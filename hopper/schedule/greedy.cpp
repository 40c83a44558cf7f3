#include "hopper/schedule/greedy.h"

#include <algorithm>
#include <vector>

namespace hop::hopper {
namespace {

// Per worker: the seconds of all the visits that it still has to do, over all models and epochs.
std::vector<double> loads(const ScheduleView& view) {
  const Plan& plan = view.plan;
  std::vector<std::uint32_t> owned(plan.workers, 0);
  for (std::uint32_t q = 0; q < plan.partitions; ++q) ++owned[plan.owner(PartitionId{q}).index()];

  std::vector<double> load(plan.workers, 0);
  for (const ModelView& model : view.models) {
    const auto due_now = static_cast<std::uint32_t>(model.candidates.size());
    const std::uint32_t later_epochs = (model.units_left - due_now) / plan.partitions;
    for (std::size_t w = 0; w < load.size(); ++w) load[w] += later_epochs * owned[w] * model.unit_seconds;
    for (const PartitionId q : model.candidates) load[plan.owner(q).index()] += model.unit_seconds;
  }
  return load;
}

std::optional<PartitionId> owed_visit(const ScheduleView& view, const ModelView& model, WorkerId worker) {
  for (const PartitionId q : model.candidates) {
    if (view.plan.owner(q) == worker) return q;
  }
  return std::nullopt;
}

std::optional<Choice> most_work_left(const ScheduleView& view, WorkerId worker) {
  std::optional<Choice> choice;
  double most = -1;
  for (const ModelView& model : view.models) {
    if (!model.ready || model.work_left() <= most) continue;
    if (const auto partition = owed_visit(view, model, worker)) {
      choice = Choice{model.id, worker, *partition};
      most = model.work_left();
    }
  }
  return choice;
}

}  // namespace

std::optional<Choice> GreedyPolicy::next(const ScheduleView& view) const {
  if (std::none_of(view.models.begin(), view.models.end(), [](const ModelView& m) { return m.ready; })) return {};
  const std::vector<double> load = loads(view);
  std::vector<const WorkerView*> order;
  for (const WorkerView& worker : view.workers) {
    if (worker.alive && worker.queued < view.queue_depth) order.push_back(&worker);
  }
  // Idle workers come before all others: what is prefetched is what no idle worker could train now.
  std::sort(order.begin(), order.end(), [&](const WorkerView* a, const WorkerView* b) {
    if (a->queued != b->queued) return a->queued < b->queued;
    if (load[a->id.index()] != load[b->id.index()]) return load[a->id.index()] > load[b->id.index()];
    return a->id < b->id;
  });
  for (const WorkerView* worker : order) {
    if (const auto choice = most_work_left(view, worker->id)) return choice;
  }
  return std::nullopt;
}

}  // namespace hop::hopper
