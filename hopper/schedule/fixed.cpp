#include "hopper/schedule/fixed.h"

#include <algorithm>
#include <vector>

namespace hop::hopper {
namespace {

// Of the models that train at the worker now and stay there for their next unit: the most work that one of them will
// have left.
double claim(const ScheduleView& view, const WorkerView& worker) {
  double most = 0;
  for (const ModelId id : worker.busy) {
    const ModelView& model = view.models[id.index()];
    if (model.units_left < 2) continue;
    if (view.itinerary.only_worker(view.itinerary.partition(model.id, model.next_unit + 1)) != worker.id) continue;
    most = std::max(most, (model.units_left - 1) * model.unit_seconds);
  }
  return most;
}

// In `Fixed` order there is one candidate. In `Free` order the model goes round, too, and skips the partitions that it
// has visited.
PartitionId due(const ScheduleView& view, const ModelView& model) {
  if (model.candidates.size() == 1) return model.candidates.front();
  const PartitionId place = view.itinerary.partition(model.id, model.next_unit);
  const auto next = std::lower_bound(model.candidates.begin(), model.candidates.end(), place);
  return next != model.candidates.end() ? *next : model.candidates.front();
}

// Per worker: the ready models that go there next.
std::vector<std::vector<ModelId>> dues(const ScheduleView& view) {
  std::vector<std::vector<ModelId>> lists(view.workers.size());
  for (const ModelId id : view.ready) {
    const auto owner = view.itinerary.only_worker(due(view, view.models[id.index()]));
    if (owner) lists[owner->index()].push_back(id);
  }
  return lists;
}

}  // namespace

std::optional<Choice> FixedPolicy::next(const ScheduleView& view) const {
  std::vector<std::vector<ModelId>> lists;
  if (view.itinerary.order == Order::Free) lists = dues(view);
  const ModelView* best = nullptr;
  const WorkerView* where = nullptr;
  for (const WorkerId id : view.rooms) {
    const WorkerView& worker = view.workers[id.index()];
    if (best != nullptr && worker.queued > where->queued) break;  // the idle are served before queues are filled
    const std::span<const ModelId> waiting = lists.empty() ? worker.due : std::span<const ModelId>(lists[id.index()]);
    if (waiting.empty()) continue;
    const double least = claim(view, worker);
    for (const ModelId model : waiting) {
      const ModelView& candidate = view.models[model.index()];
      const double work = candidate.work_left();
      if (work < least) continue;
      const bool better =
          best == nullptr || work > best->work_left() || (work == best->work_left() && candidate.id < best->id);
      if (better) best = &candidate, where = &worker;
    }
  }
  if (best == nullptr) return std::nullopt;
  return Choice{best->id, where->id, due(view, *best)};
}

}  // namespace hop::hopper
