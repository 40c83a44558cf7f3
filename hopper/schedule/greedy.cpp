#include "hopper/schedule/greedy.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace hop::hopper {
namespace {

// Per worker: the seconds of all units that are still due there and nowhere else, over all models and epochs.
std::vector<double> loads(const ScheduleView& view) {
  const Itinerary& itinerary = view.itinerary;
  std::vector<std::uint32_t> owned(itinerary.workers, 0);
  const std::vector<PartitionId> units = itinerary.choices();
  for (const PartitionId unit : units) {
    if (const auto only = itinerary.only_worker(unit)) ++owned[only->index()];
  }

  std::vector<double> load(itinerary.workers, 0);
  for (const ModelView& model : view.models) {
    const auto due_now = static_cast<std::uint32_t>(model.candidates.size());
    const std::uint32_t later_epochs = (model.units_left - due_now) / static_cast<std::uint32_t>(units.size());
    for (std::size_t w = 0; later_epochs > 0 && w < load.size(); ++w)
      load[w] += later_epochs * owned[w] * model.unit_seconds;
    for (const PartitionId unit : model.candidates) {
      if (const auto only = itinerary.only_worker(unit)) load[only->index()] += model.unit_seconds;
    }
  }
  return load;
}

std::optional<PartitionId> owed_visit(const ScheduleView& view, const ModelView& model, WorkerId worker) {
  // Candidates are in order, and so are the workers that they are bound to.
  const auto is_before = [&](PartitionId unit, WorkerId w) { return view.itinerary.only_worker(unit).value_or(w) < w; };
  const auto found = std::lower_bound(model.candidates.begin(), model.candidates.end(), worker, is_before);
  const bool fits = found != model.candidates.end() && view.itinerary.may_train(worker, *found);
  return fits ? std::optional(*found) : std::nullopt;
}

// Whether the model can train on at once at its holder, without a hop.
bool may_stay(const ScheduleView& view, const ModelView& model) {
  if (!model.holder) return false;
  const WorkerView& holder = view.workers[model.holder->index()];
  return holder.alive && holder.queued == 0 && owed_visit(view, model, holder.id);
}

// Models that are already here come first, because they cost no hop. Then most work left.
std::optional<Choice> best_for(const ScheduleView& view, WorkerId worker) {
  std::optional<Choice> choice;
  std::pair<bool, double> best{false, -1};
  for (const ModelId id : view.ready) {
    const ModelView& model = view.models[id.index()];
    const bool here = model.holder == worker;
    const std::pair<bool, double> merit{here, model.work_left()};
    if (merit <= best || (!here && may_stay(view, model))) continue;
    if (const auto partition = owed_visit(view, model, worker)) {
      choice = Choice{model.id, worker, *partition};
      best = merit;
    }
  }
  return choice;
}

}  // namespace

std::optional<Choice> GreedyPolicy::next(const ScheduleView& view) const {
  const std::size_t ready = view.ready.size();
  if (ready == 0) return std::nullopt;
  const std::vector<double> load = loads(view);
  std::vector<const WorkerView*> order;
  std::size_t hungry = 0;
  for (const WorkerId id : view.rooms) {
    const WorkerView& worker = view.workers[id.index()];
    order.push_back(&worker);
    hungry += worker.queued <= 1 ? 1 : 0;
  }
  // Idle workers come before all others, so a model is prefetched only if no idle worker could train it now.
  std::sort(order.begin(), order.end(), [&](const WorkerView* a, const WorkerView* b) {
    if (a->queued != b->queued) return a->queued < b->queued;
    if (load[a->id.index()] != load[b->id.index()]) return load[a->id.index()] > load[b->id.index()];
    return a->id < b->id;
  });
  for (const WorkerView* worker : order) {
    // A model in a queue cannot go to the worker that is free first. So no model is queued ahead while fewer models
    // wait than workers will soon be idle.
    if (worker->queued > 0 && ready < hungry) break;
    if (const auto choice = best_for(view, worker->id)) return choice;
  }
  return std::nullopt;
}

}  // namespace hop::hopper
