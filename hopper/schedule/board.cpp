#include "hopper/schedule/board.h"

#include <algorithm>

namespace hop::hopper {
namespace {

void insert(std::vector<ModelId>& list, ModelId id) { list.insert(std::lower_bound(list.begin(), list.end(), id), id); }

void remove(std::vector<ModelId>& list, ModelId id) { list.erase(std::lower_bound(list.begin(), list.end(), id)); }

}  // namespace

Board::Board(const Itinerary& itinerary, std::uint32_t queue_depth)
    : itinerary_(itinerary), queue_depth_(queue_depth), workers_(itinerary.workers), lists_(itinerary.workers) {
  for (std::uint32_t w = 0; w < itinerary.workers; ++w) workers_[w].id = WorkerId{w};
}

Board::Place Board::place_of(const ModelView& model) const {
  Place place{model.ready, {}, {}, model.busy_at};
  if (!model.ready) return place;
  place.here = model.holder;
  if (model.candidates.size() == 1) place.due = itinerary_.only_worker(model.candidates.front());
  return place;
}

void Board::set(const ModelView& model) {
  if (model.id.index() == models_.size()) {
    models_.emplace_back();
    places_.emplace_back();
  }
  const Place before = places_[model.id.index()], now = place_of(model);
  models_[model.id.index()] = model;
  places_[model.id.index()] = now;
  if (before.ready && !now.ready) remove(ready_, model.id);
  if (!before.ready && now.ready) insert(ready_, model.id);
  move(model.id, &Lists::due, before.due, now.due);
  move(model.id, &Lists::here, before.here, now.here);
  move(model.id, &Lists::busy, before.busy, now.busy);
}

void Board::move(ModelId model, std::vector<ModelId> Lists::*list, std::optional<WorkerId> from,
                 std::optional<WorkerId> to) {
  if (from == to) return;
  if (from) remove(lists_[from->index()].*list, model), show(*from);
  if (to) insert(lists_[to->index()].*list, model), show(*to);
}

void Board::show(WorkerId id) {
  const Lists& lists = lists_[id.index()];
  WorkerView& worker = workers_[id.index()];
  worker.due = lists.due;
  worker.here = lists.here;
  worker.busy = lists.busy;
}

void Board::set(WorkerId id, bool alive, std::uint32_t queued) {
  WorkerView& worker = workers_[id.index()];
  if (worker.alive == alive && worker.queued == queued) return;
  const auto place = [&] {
    return std::lower_bound(rooms_.begin(), rooms_.end(), id, [&](WorkerId a, WorkerId b) {
      const std::uint32_t of_a = workers_[a.index()].queued, of_b = workers_[b.index()].queued;
      return of_a != of_b ? of_a < of_b : a < b;
    });
  };
  if (has_room(worker)) rooms_.erase(place());
  worker.alive = alive;
  worker.queued = queued;
  if (has_room(worker)) rooms_.insert(place(), id);
}

}  // namespace hop::hopper
