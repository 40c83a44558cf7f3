// The choice of the next lease: a pure function of a view of the run.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/ids.h"
#include "hopper/schedule/itinerary.h"

namespace hop::hopper {

/// A model that still has units to train.
struct ModelView {
  ModelId id{};
  bool ready = false;  ///< its newest state is committed and within reach, and it has no lease
  std::uint32_t units_left = 0;
  double unit_seconds = 1;  ///< mean of its units so far; before its first unit, of all models' units
  /// Units by their first partition: the next one in `Fixed` order, all that the epoch owes in `Free`, by id.
  std::span<const PartitionId> candidates{};
  std::optional<WorkerId> holder{};   ///< the worker that holds its newest state; none for version 0
  std::optional<WorkerId> busy_at{};  ///< the worker that trains its due unit, or waits for its commit
  Unit next_unit{};                   ///< the unit that it trains next

  double work_left() const { return units_left * unit_seconds; }
};

struct WorkerView {
  WorkerId id{};
  bool alive = false;
  std::uint32_t queued = 0;  ///< leases that it holds: one trains, a second is prefetched
  /// Ready models with one candidate, for which this worker is the only one. If a strategy has units for any worker,
  /// look through `ready`. In `Fixed` order of hopping every ready model stands in one of these lists. By id, as the
  /// next two.
  std::span<const ModelId> due{};
  std::span<const ModelId> here{};  ///< ready models whose newest state lies on this worker
  std::span<const ModelId> busy{};  ///< models with busy_at == id
};

struct ScheduleView {
  const Itinerary& itinerary;
  std::span<const ModelView> models{};    ///< by id: models[id.index()]; units_left is 0 for those that are done
  std::span<const WorkerView> workers{};  ///< ordered by id, one per worker of the itinerary
  std::uint32_t queue_depth = 2;          ///< leases that a worker may hold
  std::span<const ModelId> ready{};       ///< the models that may train now, by id
  std::span<const WorkerId> rooms{};      ///< living workers that may take a lease: fewest leases first, then by id
};

/// Lease the unit of `model` that begins with `partition` to `worker`.
struct Choice {
  ModelId model{};
  WorkerId worker{};
  PartitionId partition{};
  bool operator==(const Choice&) const = default;
};

/// A scheduling policy. Pure: the same view gives the same choice, and ties are broken by id. A choice takes a model of
/// `ready`, a worker of `rooms`, and one of the model's candidates for which itinerary.may_train(worker, candidate).
class Policy {
 public:
  virtual ~Policy() = default;
  /// The next lease to grant, or none. Called again with the changed view until it returns none.
  virtual std::optional<Choice> next(const ScheduleView& view) const = 0;
  /// Its name in errors.
  virtual std::string_view name() const { return "own code"; }
};

}  // namespace hop::hopper
