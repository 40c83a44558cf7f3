// An epoch of replicas in the trainers of a group, against one trainer with all replicas.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "tests/hopper/group_trainer.h"

namespace hop::hopper {
namespace {

// Batches of 16 end in short ones. Those of 82 leave two of the four replicas without rows in the second step.
TEST_F(GroupTrainer, HasTheBitsOfOneTrainerWithAllReplicas) {
  for (const std::uint32_t members : {2U, 3U, 4U}) {
    for (const std::int64_t batch : {16, 82}) {
      for (const bool capture : {true, false}) {
        SCOPED_TRACE(std::to_string(members) + " members, batches of " + std::to_string(batch));
        Experiment e = experiment("allreduce");
        if (batch == 82) e.model.layers = {"flatten", "dropout 0.1", "linear 12", "relu", "linear 10"};
        e.run.capture = capture;
        expect_the_same(e, config(batch), 4, members);
      }
    }
  }
  expect_the_same(experiment("allreduce"), config(16), 3, 2);
  Experiment late = experiment("parameter_server");
  late.run.replicas.staleness = 2;
  expect_the_same(late, config(16), 4, 3);
}

// One trainer repeats what the members did: replay needs no group.
TEST_F(GroupTrainer, OneTrainerHasTheBitsOfAnyExchangeIfItKnowsTheOwners) {
  const data::Dataset data = dataset(4);
  const auto train = [&](const Experiment& e, Trainer& trainer, std::uint32_t epoch, const Group& group) {
    EXPECT_EQ(e.run.strategy.name(), "allreduce");
    return train_unit(
        trainer, Epoch(epoch), all_of(data), [&](PartitionId id) { return data.partition(id); }, {}, nullptr, group);
  };
  const auto expect_the_bits_of_the_group = [&](ReduceExchange exchange, std::uint32_t members, std::int64_t batch) {
    Experiment e = experiment("allreduce");
    if (batch == 82) e.model.layers = {"flatten", "dropout 0.1", "linear 12", "relu", "linear 10"};
    Trainer alone(e, ModelId(0), config(batch), data);
    alone.initialize();
    UnitMetrics metrics;
    const Group owners{nullptr, owners_of(4, members), exchange};
    for (std::uint32_t epoch = 0; epoch < 2; ++epoch) metrics = train(e, alone, epoch, owners);
    run_group(4, members, [&](Group group) {
      group.exchange = exchange;
      Trainer trainer(e, ModelId(0), config(batch), data);
      trainer.initialize();
      UnitMetrics got;
      for (std::uint32_t epoch = 0; epoch < 2; ++epoch) got = train(e, trainer, epoch, group);
      EXPECT_EQ(got.train_loss, metrics.train_loss);
      EXPECT_EQ(got.shared_bytes, metrics.shared_bytes);
      EXPECT_EQ(state_of(trainer), state_of(alone));
    });
  };
  for (const ReduceExchange exchange : {ReduceExchange::Ring, ReduceExchange::HalvingDoubling}) {
    for (const std::uint32_t members : {2U, 3U, 4U}) {
      for (const std::int64_t batch : {16, 82}) {
        SCOPED_TRACE(std::to_string(static_cast<int>(exchange)) + ": " + std::to_string(members) +
                     " members, batches of " + std::to_string(batch));
        expect_the_bits_of_the_group(exchange, members, batch);
      }
    }
  }
}

// The scale is so large that gradients of some batches times the scale are infinite, and those of others are not.
TEST_F(GroupTrainer, LeavesStepsOutAsOneTrainerDoesWithAScaler) {
  constexpr float kScale = 1.45e38F;
  const auto scale_of = [](Trainer& trainer) -> float& {
    const auto& segments = trainer.state().layout().segments;
    const auto found = std::ranges::find(segments, "optimizer.grad_scaler.scale", &nn::Segment::name);
    return *reinterpret_cast<float*>(trainer.state().bytes().data() + found->offset);
  };
  for (const char* strategy : {"allreduce", "averaging"}) {
    SCOPED_TRACE(strategy);
    Experiment e = experiment(strategy);
    e.model.grad_scaler = true;
    e.run.replicas.average_every = 2;
    e.model.layers = {"flatten", "linear 12", "relu", "linear 10"};
    const Config steep = config(16, "sgd", 20);
    expect_the_same(e, steep, 4, 3, [&](Trainer& trainer) { scale_of(trainer) = kScale; });

    const data::Dataset data = dataset(4);
    Trainer trainer(e, ModelId(0), steep, data);
    trainer.initialize();
    scale_of(trainer) = kScale;
    train(trainer, data, 0);
    const double halvings = std::log2(double{kScale} / double{scale_of(trainer)});
    EXPECT_EQ(halvings, std::round(halvings)) << "the scale of one replica, no mean of several";
    EXPECT_GE(halvings, 1) << "no step was left out";
  }
}

// The loss is hopeless in the first step of some replica: the epoch ends for all members at once.
TEST_F(GroupTrainer, EndsTogetherWhereALossIsLost) {
  Experiment e = experiment("allreduce");
  e.model.layers = {"flatten", "linear 12", "relu", "linear 10"};
  expect_the_same(e, config(16, "sgd", 1e9), 4, 3);
}

// Six steps of each replica: after each, after every third, four and two, and once.
TEST_F(GroupTrainer, AveragesWithTheBitsOfOneTrainer) {
  for (const AverageState state : {AverageState::Average, AverageState::Keep, AverageState::Reset}) {
    for (const std::optional<std::uint32_t> every : std::vector<std::optional<std::uint32_t>>{1, 3, 4, std::nullopt}) {
      for (const std::uint32_t members : {2U, 3U, 4U}) {
        SCOPED_TRACE(std::to_string(members) + " members, every " + std::to_string(every.value_or(0)) + " steps, " +
                     std::to_string(static_cast<int>(state)));
        expect_the_same(averaging(every, state), config(16), 4, members);
      }
    }
  }
}

// With the large rate the loss is lost within an epoch: all members go back to the average before it.
TEST_F(GroupTrainer, PassesSeveralTimesBetweenAveragesWithTheBitsOfOneTrainer) {
  for (const AverageState state : {AverageState::Average, AverageState::Keep, AverageState::Reset}) {
    for (const std::uint32_t members : {2U, 3U, 4U}) {
      for (const double lr : {0.01, 1e9}) {
        SCOPED_TRACE(std::to_string(members) + " members, lr " + std::to_string(lr));
        Experiment e = averaging(std::nullopt, state);
        e.run.replicas.average_passes = 3;
        expect_the_same(e, lr < 1 ? config(16) : config(16, "sgd", lr), 4, members);
      }
    }
  }
}

TEST_F(GroupTrainer, AveragesWithAnyOptimizerRecordedOrNot) {
  Config momentum = config(16, "sgd", 0.05);
  momentum.set("momentum", 0.9);
  for (const Config& options : {config(16, "sgd", 0.05), momentum, config(16, "adamw")}) {
    for (const bool capture : {true, false}) {
      SCOPED_TRACE(options.to_text());
      Experiment e = averaging(3, AverageState::Average);
      e.run.capture = capture;
      expect_the_same(e, options, 3, 2);
    }
  }
}

// Batches of 82 leave two of the four replicas without rows in the second step: with four members, two members have
// nothing to train until the last average.
TEST_F(GroupTrainer, AveragesWhereMembersHaveNoRowsLeft) {
  for (const AverageState state : {AverageState::Average, AverageState::Keep, AverageState::Reset}) {
    for (const std::uint32_t members : {2U, 4U}) {
      SCOPED_TRACE(members);
      Experiment e = averaging(1, state);
      e.model.layers = {"flatten", "dropout 0.1", "linear 12", "relu", "linear 10"};
      expect_the_same(e, config(82), 4, members);
    }
  }
}

// Both epochs end in the middle: the state is that of the last average. Where replicas keep their slots, these are
// those of one of them.
TEST_F(GroupTrainer, GivesUpTogetherWhereALossIsLost) {
  for (const AverageState state : {AverageState::Average, AverageState::Keep, AverageState::Reset}) {
    for (const std::optional<std::uint32_t> every : std::vector<std::optional<std::uint32_t>>{1, 2, std::nullopt}) {
      for (const std::uint32_t members : {2U, 3U, 4U}) {
        SCOPED_TRACE(std::to_string(members) + " members, every " + std::to_string(every.value_or(0)) + " steps, " +
                     std::to_string(static_cast<int>(state)));
        Experiment e = averaging(every, state);
        e.model.layers = {"flatten", "linear 12", "relu", "linear 10"};
        expect_the_same(e, config(16, "adam", 1e9), 4, members);
      }
    }
  }
}

// One says weights, the other one weights and moments.
TEST_F(GroupTrainer, EndsWhereMembersDoNotShareTheSame) {
  const data::Dataset data = dataset(2);
  EXPECT_THROW(run_group(2, 2,
                         [&](const Group& group) {
                           const bool is_first = group.wire->rank() == 0;
                           const Experiment e = averaging(1, is_first ? AverageState::Average : AverageState::Reset);
                           Trainer trainer(e, ModelId(0), config(16), data);
                           trainer.initialize();
                           const PartitionRows rows = [&](PartitionId id) { return data.partition(id); };
                           train_unit(trainer, Epoch(0), all_of(data), rows, {}, nullptr, group);
                         }),
               MemberLost);
}

// A member that is told in the middle of its epoch does not train on to the next average.
TEST_F(GroupTrainer, StopsAtTheNextBatchWhenItsGroupIsNoMore) {
  const data::Dataset data = dataset(2);
  for (const char* strategy : {"allreduce", "averaging"}) {
    LocalGroup group(2);
    LocalWire wire(group, 1);
    const Experiment e = experiment(strategy);
    Trainer trainer(e, ModelId(0), config(16), data);
    trainer.initialize();
    std::atomic<std::uint64_t> rows_done = 0;
    const PartitionRows rows = [&](PartitionId id) {
      group.fail();
      return data.partition(id);
    };
    EXPECT_THROW(train_unit(trainer, Epoch(0), all_of(data), rows, {}, &rows_done, {&wire, {0, 1}}), MemberLost);
    EXPECT_EQ(rows_done, 0U);
  }
}

TEST_F(GroupTrainer, NeedsAnOwnerOfEachReplica) {
  const data::Dataset data = dataset(3);
  for (const char* strategy : {"allreduce", "averaging"}) {
    LocalGroup group(2);
    LocalWire wire(group, 0);
    const Experiment e = experiment(strategy);
    Trainer trainer(e, ModelId(0), config(16), data);
    trainer.initialize();
    const PartitionRows rows = [&](PartitionId id) { return data.partition(id); };
    EXPECT_THROW(train_unit(trainer, Epoch(0), all_of(data), rows, {}, nullptr, {&wire, {0, 1}}), StateError);
  }
}

}  // namespace
}  // namespace hop::hopper
