// What the tests of an asynchronous parameter server in a trainer have in common.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "hopper/strategy/arrivals.h"
#include "tests/hopper/replica_trainer.h"

namespace hop::hopper {

using Arrival = std::vector<std::uint32_t>;  // replicas, in the order in which their gradients were applied

class AsyncTrainer : public ReplicaTrainer {
 protected:
  static Experiment async(std::optional<std::uint32_t> staleness = {}, bool has_buffers = true) {
    Experiment e = experiment("parameter_server");
    if (!has_buffers) e.model.layers = {"flatten", "dropout 0.1", "linear 12", "relu", "linear 10"};
    e.run.replicas.mode = ServerMode::Async;
    e.run.replicas.staleness = staleness;
    return e;
  }
  /// Batches of each replica in an epoch.
  static std::vector<std::int64_t> batches_of(const data::Dataset& data, std::int64_t batch) {
    std::vector<std::int64_t> batches;
    for (const auto& partition : data.manifest().partitions) batches.push_back((partition.rows + batch - 1) / batch);
    return batches;
  }
  /// The first batch of each replica, then the second ones ..
  static Arrival in_turns(const data::Dataset& data, std::int64_t batch) {
    const std::vector<std::int64_t> batches = batches_of(data, batch);
    Arrival order;
    for (std::int64_t clock = 0; clock < std::ranges::max(batches); ++clock) {
      for (std::uint32_t q = 0; q < batches.size(); ++q) {
        if (clock < batches[q]) order.push_back(q);
      }
    }
    return order;
  }
  /// How far apart the clocks of replicas that had batches left ever were.
  static std::int64_t widest(const Arrival& order, const std::vector<std::int64_t>& batches) {
    std::vector<std::int64_t> clocks(batches.size());
    std::int64_t widest = 0;
    for (const std::uint32_t q : order) {
      ++clocks[q];
      for (std::size_t r = 0; r < clocks.size(); ++r) {
        if (clocks[r] < batches[r]) widest = std::max(widest, clocks[q] - clocks[r]);
      }
    }
    return widest;
  }
  static UnitMetrics train_in(const Arrival& order, Trainer& trainer, const data::Dataset& data, std::uint32_t epoch) {
    Group group;
    group.arrivals = order;
    const PartitionRows rows = [&](PartitionId id) { return data.partition(id); };
    return train_unit(trainer, Epoch(epoch), all_of(data), rows, {}, nullptr, group);
  }
  static void put(Trainer& trainer, const std::vector<std::byte>& state) {
    std::memcpy(trainer.state().bytes().data(), state.data(), state.size());
  }
};

}  // namespace hop::hopper
