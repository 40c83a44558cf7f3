// What a trainer of replicas counts, refuses, and does with its options.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "hopper/build_model.h"
#include "kernels/copy.h"
#include "tests/hopper/replica_trainer.h"

namespace hop::hopper {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST_F(ReplicaTrainer, MeasuresWhatReplicasShare) {
  const data::Dataset data = dataset(4);
  const auto shared = [&](const char* strategy, std::optional<std::uint32_t> every, AverageState average) {
    Experiment e = experiment(strategy);
    e.model.layers = {"flatten", "linear 12", "relu", "linear 10"};
    e.run.replicas.average_every = every;
    e.run.replicas.average_state = average;
    Trainer trainer(e, ModelId(0), config(16), data);
    trainer.initialize();
    return train(trainer, data, 0).shared_bytes;
  };
  // Weights and biases on boundaries of 64 bytes; 83 rows are six batches of 16.
  constexpr std::uint64_t kWeights = 28 * 28 * 12 * 4 + 64 + 12 * 10 * 4 + 32 + 64;
  static_assert((12 * 10 * 4 + 32) % 64 == 0);
  EXPECT_EQ(shared("allreduce", {}, AverageState::Average), 6 * kWeights);
  EXPECT_EQ(shared("averaging", {}, AverageState::Average), 3 * kWeights) << "with two moments";
  EXPECT_EQ(shared("averaging", {4U}, AverageState::Reset), 2 * kWeights);
  EXPECT_EQ(shared("averaging", {4U}, AverageState::Keep), kWeights + 3 * kWeights);
  EXPECT_EQ(shared("hopping", {}, AverageState::Average), std::nullopt);
}

TEST_F(ReplicaTrainer, CountsPassesStepsAndRows) {
  const data::Dataset data = dataset(4);
  for (const char* strategy : {"allreduce", "averaging"}) {
    const Experiment e = experiment(strategy);
    Trainer trainer(e, ModelId(0), config(16), data);
    trainer.initialize();
    for (std::uint32_t epoch = 0; epoch < 2; ++epoch) train(trainer, data, epoch);
    const nn::Counters& counters = trainer.state().counters();
    EXPECT_EQ(counters.unit, 8) << "passes";
    EXPECT_EQ(counters.rows, 660);
    EXPECT_EQ(counters.epoch, 1);
    EXPECT_EQ(counters.steps_before, 0);
    EXPECT_EQ(counters.random_key, hash64(11, "random", {0}));
    EXPECT_EQ(steps_of(trainer), 12) << strategy;
  }
}

// The lost step counts, and those before it whose gradients had not been applied yet.
TEST_F(ReplicaTrainer, CountsTheRowsUntilALossIsLostWithLateGradients) {
  const data::Dataset data = dataset(4);
  for (const bool capture : {true, false}) {
    Experiment e = experiment("parameter_server");
    e.model.layers = {"flatten", "linear 12", "relu", "linear 10"};
    e.run.capture = capture;
    e.run.replicas.staleness = 2;
    Trainer trainer(e, ModelId(0), config(16, "sgd", 1e9), data);
    trainer.initialize();
    const UnitMetrics metrics = train(trainer, data, 0);
    EXPECT_TRUE(std::isinf(metrics.train_loss));
    EXPECT_EQ(steps_of(trainer), 1) << "of the first gradients, after two more steps were computed";
    EXPECT_EQ(metrics.rows, 4 * 64U);
  }
}

// A schedule counts on after a reset; the optimizer begins anew.
TEST_F(ReplicaTrainer, AResetLeavesTheScheduleAndNewMasks) {
  const data::Dataset data = dataset(4);
  Experiment e = experiment("averaging");
  e.run.replicas.average_state = AverageState::Reset;
  Config decaying = config(16);
  decaying.set("schedule", std::string("cosine"));
  Trainer trainer(e, ModelId(0), decaying, data);
  trainer.initialize();
  train(trainer, data, 0);
  EXPECT_EQ(trainer.state().counters().steps_before, 6);
  EXPECT_EQ(steps_of(trainer), 0);
  const double half = make_schedule(e, decaying, data, 0.01)(6);
  EXPECT_NEAR(half, 0.005, 1e-9) << "12 steps in all";
  train(trainer, data, 1);
  EXPECT_EQ(trainer.state().counters().steps_before, 12);
  Config constant = config(16);
  Trainer other(e, ModelId(0), constant, data);
  other.initialize();
  for (std::uint32_t epoch = 0; epoch < 2; ++epoch) train(other, data, epoch);
  EXPECT_NE(state_of(other), state_of(trainer));
}

// The first step throws the weights far away, so the loss of the second one is lost.
TEST_F(ReplicaTrainer, ALostLossLeavesTheStateOfTheLastUpdate) {
  const data::Dataset data = dataset(4);
  for (const bool capture : {true, false}) {
    for (const char* strategy : {"allreduce", "averaging"}) {
      SCOPED_TRACE(strategy);
      Experiment e = experiment(strategy);
      e.model.layers = {"flatten", "linear 12", "relu", "linear 10"};
      e.run.capture = capture;
      e.run.replicas.average_every = 1;
      const Config wild = config(16, "sgd", 1e9);
      Trainer trainer(e, ModelId(0), wild, data);
      trainer.initialize();
      const std::vector<std::byte> initial = state_of(trainer);
      const UnitMetrics metrics = train(trainer, data, 0);
      EXPECT_TRUE(std::isinf(metrics.train_loss));
      EXPECT_EQ(steps_of(trainer), 1);
      const bool counts_the_lost_step = std::string(strategy) == "allreduce";
      EXPECT_EQ(metrics.rows, counts_the_lost_step ? 128U : 64U);
      for (const Tensor& p : trainer.module().parameters()) {
        EXPECT_TRUE(std::isfinite(p.data<float>()[0]));
      }
      EXPECT_NE(state_of(trainer), initial);
    }
  }
}

TEST_F(ReplicaTrainer, ScalesTheLearningRateByTheReplicas) {
  const data::Dataset data = dataset(4);
  const auto state = [&](LrScale scale, double lr) {
    Experiment e = experiment("allreduce");
    e.run.replicas.lr_scale = scale;
    Trainer trainer(e, ModelId(0), config(16, "adam", lr), data);
    trainer.initialize();
    train(trainer, data, 0);
    return state_of(trainer);
  };
  const auto expected = state(LrScale::None, 0.04);
  EXPECT_EQ(state(LrScale::Linear, 0.01), expected);
  EXPECT_EQ(state(LrScale::Sqrt, 0.02), expected);
  EXPECT_NE(state(LrScale::None, 0.01), expected);
}

TEST_F(ReplicaTrainer, SharesABatchAmongTheReplicas) {
  const data::Dataset data = dataset(4);
  Experiment each = experiment("allreduce"), all = experiment("allreduce");
  all.run.replicas.batch = BatchRows::Global;
  Trainer a(each, ModelId(0), config(16), data), b(all, ModelId(0), config(64), data);
  for (Trainer* trainer : {&a, &b}) trainer->initialize(), train(*trainer, data, 0);
  EXPECT_EQ(state_of(a), state_of(b));
  EXPECT_EQ(steps_per_epoch(all, config(64), data), 6);
  EXPECT_THAT(
      [&] { Trainer(all, ModelId(0), config(66), data); },
      ThrowsMessage<ConfigError>(HasSubstr("[search.space] batch_size: expected a multiple of the 4 replicas of a unit "
                                           "with [run] batch = \"global\", got 66")));
  Experiment hopping = all;
  hopping.run.strategy = "hopping";
  EXPECT_EQ(batch_rows(hopping, config(66), data), 66) << "without replicas a batch is a batch";
}

TEST_F(ReplicaTrainer, StopsAndCountsRows) {
  const data::Dataset data = dataset(4);
  for (const char* strategy : {"allreduce", "averaging"}) {
    const Experiment e = experiment(strategy);
    Trainer trainer(e, ModelId(0), config(16), data);
    trainer.initialize();
    std::atomic<std::uint64_t> rows = 0;
    const PartitionRows of = [&](PartitionId id) { return data.partition(id); };
    train_unit(trainer, Epoch(0), all_of(data), of, {}, &rows);
    EXPECT_EQ(rows, 330U);
    std::stop_source stop;
    stop.request_stop();
    EXPECT_THROW(train_unit(trainer, Epoch(1), all_of(data), of, stop.get_token()), TrainingStopped);
  }
  const Experiment plain = experiment("hopping");
  Trainer trainer(plain, ModelId(0), config(16), data);
  EXPECT_THAT(
      [&] {
        trainer.train_replicas(
            all_of(data), [&](PartitionId id) { return data.partition(id); }, Epoch(0));
      },
      ThrowsMessage<StateError>(HasSubstr("expected a strategy with replicas")));
}

struct Doubles : nn::Module {
  Doubles() : weight(register_parameter("weight", kernels::zeros({10}, DType::f64))) {}
  Tensor forward(const Tensor& x) override { return x; }
  Tensor weight;
};

TEST_F(ReplicaTrainer, AreForParametersInF32) {
  const data::Dataset data = dataset(4);
  Experiment e = experiment("averaging");
  e.model.layers.clear();
  e.model.builder = [](const Config&, const ModelInput&) { return std::make_shared<Doubles>(); };
  EXPECT_THAT([&] { Trainer(e, ModelId(0), config(16), data); },
              ThrowsMessage<DtypeError>(HasSubstr("expected f32 parameters")));
}

}  // namespace
}  // namespace hop::hopper
