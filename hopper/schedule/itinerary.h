// The arithmetic of a run: which unit visits which partitions, and to whom it may be leased.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "hopper/search/objective.h"
#include "hopper/strategy/hopping.h"
#include "hopper/strategy/strategy.h"

namespace hop::hopper {

/// p partitions on W workers, which every model visits in each of E epochs, in the units of a strategy. With u units
/// per epoch, unit k of a model is unit k % u of epoch k / u. The state after k units is version k.
struct Itinerary {
  std::uint32_t partitions = 1;
  std::uint32_t workers = 1;
  std::uint32_t epochs = 1;
  Order order = Order::Fixed;
  std::shared_ptr<const Strategy> strategy = hopping();
  /// If given, the state of each model's best epoch is kept beside its last one: it is collected before the model
  /// trains on.
  std::optional<Objective> keep_best{};

  /// Throws ConfigError for a run without work, and for more workers than the strategy can give work.
  void check() const;

  Spread spread() const { return {partitions, workers}; }

  // ---- units and epochs of one model
  std::uint32_t units_per_epoch() const { return strategy->units_per_epoch(spread()); }
  std::uint32_t units() const { return units_per_epoch() * epochs; }
  Epoch epoch(Unit unit) const { return Epoch{unit.value / units_per_epoch()}; }
  Unit first_unit(Epoch epoch) const { return Unit{epoch.value * units_per_epoch()}; }
  bool ends_epoch(Unit unit) const { return number_of(unit) % units_per_epoch() == 0; }
  /// The state at the end of an epoch.
  Version end_of(Epoch epoch) const { return before(first_unit(epoch + 1)); }
  /// Whether a state is that of the end of an epoch, or the initial one.
  bool is_between_epochs(Version version) const { return version.value % units_per_epoch() == 0; }

  // ---- the partitions of a unit. The first one is its name.
  /// The first partition of a unit in `Fixed` order.
  PartitionId partition(ModelId model, Unit unit) const;
  /// The first partitions of the units of an epoch, in ascending order: the choice that `Free` order has.
  std::vector<PartitionId> choices() const;
  /// All partitions of the unit that begins with `first`.
  std::vector<PartitionId> passes(PartitionId first) const { return strategy->passes(spread(), first); }

  // ---- whom it may be leased to
  /// The only worker for the unit that begins with `first`; none: any worker.
  std::optional<WorkerId> only_worker(PartitionId first) const { return strategy->only_worker(spread(), first); }
  /// The workers that train it together; empty: one worker trains it.
  std::vector<WorkerId> members(PartitionId first) const { return strategy->members(spread(), first); }
  /// The rank of the member that holds each of passes(first); empty without a group. Throws StateError if none does.
  std::vector<std::uint32_t> owners(PartitionId first) const;
  bool may_train(WorkerId worker, PartitionId first) const { return only_worker(first).value_or(worker) == worker; }
  /// Whether the worker's node has to hold the partition.
  bool holds(WorkerId worker, PartitionId partition) const { return strategy->holds(spread(), worker, partition); }
  /// Whose node gives its rows to the others. Throws StateError if no node holds it.
  WorkerId holder(PartitionId partition) const;
  /// Whether nobody else's node holds it.
  bool is_only_holder(WorkerId worker, PartitionId partition) const;
};

}  // namespace hop::hopper
