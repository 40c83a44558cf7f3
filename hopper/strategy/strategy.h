// A strategy: how the models and the partitions of a data set meet. docs/strategies.md has each one with its steps,
// its bytes and its memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "hopper/strategy/exchange.h"
#include "hopper/strategy/spread.h"

namespace hop::hopper {

/// `Fixed`: the partitions of every unit are a function of (model, unit), so the final weights depend on the experiment
/// alone. `Free`: the policy picks among the units that the epoch still owes; the journal remembers.
enum class Order : std::uint8_t { Fixed, Free };

/// How the passes of a unit follow each other. `None`: one model goes over the partitions, one after the other.
/// Otherwise the unit has a replica of the model for each of its partitions, and all begin with the same state. After
/// the unit there is one state again. `ShareGradients`: in each step the replicas take the mean of their gradients, so
/// all of them have the same weights. `ShareWeights`: each replica trains on its own, and now and then all take the
/// mean of their weights. `PushGradients`: a server applies each gradient of each replica alone, when it comes, and
/// answers the replica with the weights (Arrivals). How replicas see their rows is ReplicaOptions
/// (hopper/experiment.h).
enum class Replicas : std::uint8_t { None, ShareGradients, ShareWeights, PushGradients };

/// The two seams. (1) What a unit is made of, and to which worker it is leased: the coordinator, its policy, every
/// worker, replay and the simulator ask the same object. (2) What happens between backward and update.
///
/// A unit is one or more passes of one model, each over one partition. Units have a name in leases, records and
/// results: the partition of their first pass. The units of an epoch begin with different partitions, and together they
/// pass over every partition once.
///
/// Pure: equal arguments give equal answers, in every process and after a restart. Called by several threads.
class Strategy {
 public:
  virtual ~Strategy() = default;

  // ---- What a unit is made of

  /// Units of one epoch of a model, from 1 to spread.partitions.
  virtual std::uint32_t units_per_epoch(const Spread& spread) const = 0;
  /// The partition with which a unit of the model begins in `Fixed` order: unit `place` of each epoch, below
  /// units_per_epoch(). In `Free` order the units of every model begin with the partitions of model 0.
  virtual PartitionId begin(const Spread& spread, ModelId model, std::uint32_t place) const = 0;
  /// All partitions of the unit that begins with `first`, in the order of its passes; `first` is the first one.
  virtual std::vector<PartitionId> passes(const Spread& spread, PartitionId first) const = 0;
  /// How the passes of a unit follow each other. Replica r passes over the r-th partition of passes().
  virtual Replicas replicas() const { return Replicas::None; }

  // ---- To whom it is leased

  /// The only worker to which the unit that begins with `first` may be leased; none: any worker. It does not decrease
  /// with `first`.
  virtual std::optional<WorkerId> only_worker(const Spread& spread, PartitionId first) const = 0;
  /// Whether the worker's node has to hold the partition. Some node has to. A worker that passes over a partition of
  /// another node fetches its rows from there (RunSettings::task_data), unless a group shares the unit.
  virtual bool holds(const Spread& spread, WorkerId worker, PartitionId partition) const = 0;
  /// The workers that train the unit that begins with `first` together: a group, by id. Each computes the replicas of
  /// the partitions that it holds, and only_worker() is the first of them, the lead. Empty: one worker trains the unit.
  /// Not for Replicas::None.
  virtual std::vector<WorkerId> members(const Spread& /*spread*/, PartitionId /*first*/) const { return {}; }
  /// More workers could not be given work.
  virtual std::uint32_t most_workers(std::uint32_t partitions) const = 0;
  /// The policy of an experiment that names none.
  virtual std::string_view default_policy(Order order) const { return order == Order::Fixed ? "rotation" : "greedy"; }
  /// Throws ConfigError, which names the key, for an order or a policy that the strategy cannot follow. `policy` is a
  /// name of policies(); empty: the default, or an object of the application.
  virtual void check(Order /*order*/, std::string_view /*policy*/) const {}

  // ---- Between backward and update

  /// What stands there on a worker, which asks once; null: nothing.
  virtual std::shared_ptr<Exchange> exchange() const { return nullptr; }
  /// The bytes that all workers together would send if they trained each unit as a group, each with the replicas of its
  /// own partitions: a prediction by formula. `shared`: what one replica shares with the others (its gradients, or its
  /// weights), over all steps.
  virtual std::uint64_t predicted_bytes(const Spread& /*spread*/, std::uint64_t /*shared*/) const { return 0; }
  /// The same of the statistics of synchronised BatchNorm layers: r (w - 1) times `told` for a unit with r replicas and
  /// w members, as the mean over the units of an epoch with several replicas. `told`: what one replica tells one other
  /// member, over all steps (UnitMetrics::statistics_bytes). A replica without rows in a step says nothing; the formula
  /// counts it.
  std::uint64_t predicted_statistics_bytes(const Spread& spread, std::uint64_t told) const;
};

}  // namespace hop::hopper
