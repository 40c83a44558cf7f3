// The view that policies look at, kept up to date model by model, so that a decision does not cost a walk over all
// models.
#pragma once

#include <optional>
#include <vector>

#include "hopper/schedule/policy.h"

namespace hop::hopper {

/// Models and workers with the lists of ScheduleView. A change costs the length of the lists that it touches.
class Board {
 public:
  /// Begins without models, and with all workers of the itinerary away. The itinerary outlives the board.
  Board(const Itinerary& itinerary, std::uint32_t queue_depth);

  /// Adds the model with the next id, or replaces one. The list to which `model.candidates` refers must live until the
  /// model is replaced.
  void set(const ModelView& model);
  void set(WorkerId worker, bool alive, std::uint32_t queued);

  std::size_t models() const { return models_.size(); }
  const WorkerView& worker(WorkerId id) const { return workers_[id.index()]; }
  /// Valid until the next change.
  ScheduleView view() const { return {itinerary_, models_, workers_, queue_depth_, ready_, rooms_}; }

 private:
  // The lists that a model stands in.
  struct Place {
    bool ready = false;
    std::optional<WorkerId> due, here, busy;
  };
  struct Lists {
    std::vector<ModelId> due, here, busy;
  };
  Place place_of(const ModelView& model) const;
  void move(ModelId model, std::vector<ModelId> Lists::*list, std::optional<WorkerId> from, std::optional<WorkerId> to);
  void show(WorkerId worker);
  bool has_room(const WorkerView& worker) const { return worker.alive && worker.queued < queue_depth_; }

  const Itinerary& itinerary_;
  std::uint32_t queue_depth_;
  std::vector<ModelView> models_;
  std::vector<WorkerView> workers_;
  std::vector<Place> places_;
  std::vector<Lists> lists_;
  std::vector<ModelId> ready_;
  std::vector<WorkerId> rooms_;
};

}  // namespace hop::hopper
