// What the tests of groups of trainers have in common: one trainer with all replicas is the judge.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "tests/hopper/local_group.h"
#include "tests/hopper/replica_trainer.h"

namespace hop::hopper {

class GroupTrainer : public ReplicaTrainer {
 protected:
  // Two epochs of each member. A member reads its own partitions only.
  static std::uint64_t expect_the_same(
      const Experiment& e, const Config& config, std::uint32_t partitions, std::uint32_t members,
      const std::function<void(Trainer&)>& prepare = [](Trainer&) {}) {
    const data::Dataset data = dataset(partitions);
    Trainer expected(e, ModelId(0), config, data);
    expected.initialize();
    prepare(expected);
    const std::vector<UnitMetrics> metrics = {train(expected, data, 0), train(expected, data, 1)};
    return run_group(partitions, members, [&](const Group& group) {
      Trainer trainer(e, ModelId(0), config, data);
      trainer.initialize();
      prepare(trainer);
      for (std::uint32_t epoch = 0; epoch < 2; ++epoch) {
        const PartitionRows own = [&](PartitionId id) {
          EXPECT_TRUE(group.owns(id.index()));
          return data.partition(id);
        };
        const UnitMetrics got = train_unit(trainer, Epoch(epoch), all_of(data), own, {}, nullptr, group);
        EXPECT_EQ(got.train_loss, metrics[epoch].train_loss);
        EXPECT_EQ(got.rows, metrics[epoch].rows);
        EXPECT_EQ(got.weight, metrics[epoch].weight);
        EXPECT_EQ(got.shared_bytes, metrics[epoch].shared_bytes);
        EXPECT_EQ(got.statistics_bytes, metrics[epoch].statistics_bytes);
        EXPECT_EQ(got.statistics_rounds, metrics[epoch].statistics_rounds);
        EXPECT_EQ(got.state_bytes, metrics[epoch].state_bytes);
      }
      EXPECT_EQ(state_of(trainer), state_of(expected));
    });
  }
  static Experiment averaging(std::optional<std::uint32_t> every, AverageState state) {
    Experiment e = experiment("averaging");
    e.run.replicas.average_every = every;
    e.run.replicas.average_state = state;
    return e;
  }
};

}  // namespace hop::hopper
