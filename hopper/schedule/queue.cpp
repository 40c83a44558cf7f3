#include "hopper/schedule/queue.h"

#include <algorithm>

namespace hop::hopper {
namespace {

// The unit that the model may train at the worker now.
std::optional<PartitionId> unit_for(const ScheduleView& view, const ModelView& model, WorkerId worker) {
  const auto fits = [&](PartitionId first) { return view.itinerary.may_train(worker, first); };
  const auto found = std::ranges::find_if(model.candidates, fits);
  return found != model.candidates.end() ? std::optional(*found) : std::nullopt;
}

// Chooses among the models that `may_go` and have a unit for the worker: most work left first, ties by id.
template <class MayGo>
std::optional<Choice> longest(const ScheduleView& view, std::span<const ModelId> models, WorkerId worker,
                              MayGo may_go) {
  std::optional<Choice> choice;
  double most = -1;
  for (const ModelId id : models) {
    const ModelView& model = view.models[id.index()];
    if (model.work_left() <= most || !may_go(model)) continue;
    if (const auto unit = unit_for(view, model, worker)) {
      choice = Choice{id, worker, *unit};
      most = model.work_left();
    }
  }
  return choice;
}

bool has_home(const ScheduleView& view, const ModelView& model) {
  return model.holder && unit_for(view, model, *model.holder);
}

std::optional<Choice> first_without_home(const ScheduleView& view, WorkerId worker) {
  for (const ModelId id : view.ready) {
    const ModelView& model = view.models[id.index()];
    if (has_home(view, model)) continue;
    if (const auto unit = unit_for(view, model, worker)) return Choice{id, worker, *unit};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Choice> QueuePolicy::next(const ScheduleView& view) const {
  const auto is_soon_idle = [](const WorkerView& worker) { return !worker.alive || worker.queued <= 1; };
  const auto soon_idle = static_cast<std::size_t>(std::ranges::count_if(view.workers, is_soon_idle));
  const auto waits_at_home = [&](const ModelView& model) {
    return has_home(view, model) && view.workers[model.holder->index()].queued > 0;
  };
  for (const WorkerId id : view.rooms) {  // the idle ones come first
    const WorkerView& worker = view.workers[id.index()];
    if (const auto own = longest(view, worker.here, id, [](const ModelView&) { return true; })) return own;
    if (worker.queued == 0 || view.ready.size() >= soon_idle) {
      if (const auto stray = first_without_home(view, id)) return stray;
    }
    if (!worker.busy.empty()) continue;  // its own model is about to be committed
    if (const auto taken = longest(view, view.ready, id, waits_at_home)) return taken;
  }
  return std::nullopt;
}

}  // namespace hop::hopper
