// What the tests of an asynchronous parameter server and its members have in common. The judge is one trainer with all
// replicas, which applies the gradients in the order that the server remembers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/hopper/async_trainer.h"
#include "tests/hopper/local_group.h"

namespace hop::hopper {

class AsyncGroup : public AsyncTrainer {
 protected:
  // An epoch as the server leaves it.
  struct Left {
    UnitMetrics metrics{};
    Arrival order{};
    std::vector<std::byte> state{};
    std::uint64_t bytes = 0;  // that all members sent
  };

  // Each member begins with this state, and reads its own partitions only. `given`: the order, of an epoch that is
  // trained again.
  static Left train_together(const Experiment& e, const Config& config, const data::Dataset& data,
                             std::uint32_t members, std::uint32_t epoch, const std::vector<std::byte>& state,
                             const Arrival& given = {}, const MakeWire& make = make_wire<>) {
    Left left;
    const std::uint32_t replicas = data.partition_count();
    const auto member = [&](Group group) {
      Trainer trainer(e, ModelId(0), config, data);
      trainer.initialize();
      put(trainer, state);
      group.arrivals = given;
      const PartitionRows own = [&](PartitionId id) {
        EXPECT_TRUE(group.owns(id.index()));
        return data.partition(id);
      };
      const UnitMetrics metrics = train_unit(trainer, Epoch(epoch), all_of(data), own, {}, nullptr, group);
      if (group.wire->rank() != 0) {
        EXPECT_TRUE(metrics.arrivals.empty()) << "the server tells";
        return;
      }
      left.metrics = metrics;
      left.order = decode_arrivals(metrics.arrivals, replicas);
      left.state = state_of(trainer);
    };
    left.bytes = run_group(replicas, members, member, nullptr, make);
    return left;
  }

  // Two epochs of a group, each repeated by one trainer in its order. Returns what the first one left.
  static Left expect_one_trainer_to_repeat(const Experiment& e, const Config& config, std::uint32_t partitions,
                                           std::uint32_t members, const MakeWire& make = make_wire<>) {
    const data::Dataset data = dataset(partitions);
    Trainer alone(e, ModelId(0), config, data);
    alone.initialize();
    Left first;
    for (std::uint32_t epoch = 0; epoch < 2; ++epoch) {
      const Left left = train_together(e, config, data, members, epoch, state_of(alone), {}, make);
      if (epoch == 0) first = left;
      const UnitMetrics metrics = train_in(left.order, alone, data, epoch);
      EXPECT_EQ(left.state, state_of(alone));
      EXPECT_EQ(left.metrics.train_loss, metrics.train_loss);
      EXPECT_EQ(left.metrics.rows, metrics.rows);
      EXPECT_EQ(left.metrics.weight, metrics.weight);
      EXPECT_EQ(left.metrics.arrivals, metrics.arrivals);
      EXPECT_EQ(left.metrics.shared_bytes, metrics.shared_bytes);
      if (!std::isfinite(metrics.train_loss)) break;
    }
    return first;
  }

  // Each replica stands in the order as often as it has batches.
  static void expect_all_batches(const Arrival& order, const std::vector<std::int64_t>& batches) {
    for (std::uint32_t q = 0; q < batches.size(); ++q) EXPECT_EQ(std::ranges::count(order, q), batches[q]) << q;
  }
};

}  // namespace hop::hopper
