// An asynchronous parameter server in one trainer with all replicas: against plain training for one replica, against
// plain loops for several.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "hopper/build_model.h"
#include "tests/hopper/async_trainer.h"
#include "tests/hopper/replicas_reference.h"

namespace hop::hopper {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

const std::vector<std::optional<std::uint32_t>> kBounds = {std::nullopt, 0U, 1U};

TEST_F(AsyncTrainer, OneReplicaIsPlainTrainingBitForBit) {
  std::vector<std::pair<std::string, Experiment>> experiments;
  for (const auto& bound : kBounds) experiments.emplace_back("async", async(bound));
  expect_plain_training(experiments, [](const UnitMetrics& metrics) {
    EXPECT_EQ(metrics.arrivals, std::vector<std::uint8_t>(7)) << "330 rows in batches of 48";
  });
}

// Batches of 16 end in short ones. Those of 82 leave a replica with three batches, of four replicas two with one.
TEST_F(AsyncTrainer, TakesReplicasInTurnsAsPlainLoopsDo) {
  for (const std::uint32_t partitions : {2U, 3U, 4U}) {
    const data::Dataset data = dataset(partitions);
    for (const std::int64_t batch : {16, 82}) {
      for (const auto& bound : kBounds) {
        for (const bool capture : {true, false}) {
          SCOPED_TRACE(std::to_string(partitions) + " replicas, batches of " + std::to_string(batch) + ", bound " +
                       (bound ? std::to_string(*bound) : "none"));
          Experiment e = async(bound, batch == 16);
          e.run.capture = capture;
          Trainer trainer(e, ModelId(0), config(batch), data);
          trainer.initialize();
          ReferenceReplicas reference(e, config(batch), data);
          reference.begin(trainer);
          const Arrival order = in_turns(data, batch);
          for (std::uint32_t epoch = 0; epoch < 2; ++epoch) {
            reference.push_gradients(epoch, order, bound);
            const UnitMetrics metrics = train(trainer, data, epoch);
            EXPECT_EQ(metrics.train_loss, reference.loss());
            EXPECT_EQ(metrics.rows, 330U);
            EXPECT_EQ(decode_arrivals(metrics.arrivals, partitions), order);
          }
          EXPECT_EQ(state_of(trainer), reference.state());
          EXPECT_EQ(steps_of(trainer), 2 * static_cast<std::int64_t>(order.size())) << "one update for each batch";
        }
      }
    }
  }
}

TEST_F(AsyncTrainer, AppliesGradientsInTheOrderThatItIsGiven) {
  const data::Dataset data = dataset(3);
  std::mt19937 random(5);
  for (const bool capture : {true, false}) {
    Experiment e = async();
    e.run.capture = capture;
    Trainer trainer(e, ModelId(0), config(16), data);
    trainer.initialize();
    ReferenceReplicas reference(e, config(16), data);
    reference.begin(trainer);
    for (std::uint32_t epoch = 0; epoch < 3; ++epoch) {
      Arrival order = in_turns(data, 16);
      std::shuffle(order.begin(), order.end(), random);
      reference.push_gradients(epoch, order);
      const UnitMetrics metrics = train_in(order, trainer, data, epoch);
      EXPECT_EQ(metrics.train_loss, reference.loss());
      EXPECT_EQ(decode_arrivals(metrics.arrivals, 3), order);
      EXPECT_EQ(state_of(trainer), reference.state());
    }
  }
}

// With a bound an answer brings the weights at the time of the answer.
TEST_F(AsyncTrainer, AppliesAnOrderWithinABoundAsPlainLoopsDo) {
  const data::Dataset data = dataset(3);
  std::mt19937 random(6);
  for (const std::uint32_t bound : {0U, 2U}) {
    const std::vector<std::int64_t> batches = batches_of(data, 16);
    Arrivals arrivals(batches, bound);
    while (!arrivals.is_over()) {
      const auto q = static_cast<std::uint32_t>(random() % 3);
      if (arrivals.may_compute(q)) arrivals.apply(q);
    }
    EXPECT_LE(widest(arrivals.order(), batches), std::int64_t{bound} + 1);
    const Experiment e = async(bound);
    Trainer trainer(e, ModelId(0), config(16), data);
    trainer.initialize();
    ReferenceReplicas reference(e, config(16), data);
    reference.begin(trainer);
    reference.push_gradients(0, arrivals.order(), bound);
    train_in(arrivals.order(), trainer, data, 0);
    EXPECT_EQ(state_of(trainer), reference.state());
  }
}

TEST_F(AsyncTrainer, RefusesAnOrderThatDoesNotFit) {
  const data::Dataset data = dataset(2);
  const Experiment e = async(0U, false);
  Trainer trainer(e, ModelId(0), config(82), data);
  trainer.initialize();
  EXPECT_THAT(
      [&] {
        train_in({0, 1, 2}, trainer, data, 0);
      },
      ThrowsMessage<StateError>(HasSubstr("one more of replica 2 than it has batches")));
  EXPECT_THAT(
      [&] { train_in(Arrival(4, 1), trainer, data, 0); },
      ThrowsMessage<StateError>(HasSubstr("an order of the gradients of 2 replicas, got one more of replica 1")));
  EXPECT_THAT(
      [&] {
        train_in({0, 0}, trainer, data, 0);
      },
      ThrowsMessage<StateError>(HasSubstr("within [run] staleness, got replica 0 too early")));
}

// The first update throws the weights far away. In turns the other replicas have not heard of it; the first one has.
TEST_F(AsyncTrainer, ALostLossEndsTheEpochWithTheStateOfTheLastUpdate) {
  const data::Dataset data = dataset(4);
  for (const bool capture : {true, false}) {
    Experiment e = async({}, false);
    e.run.capture = capture;
    Trainer trainer(e, ModelId(0), config(16, "sgd", 1e9), data);
    trainer.initialize();
    const std::vector<std::byte> initial = state_of(trainer);
    const UnitMetrics metrics = train(trainer, data, 0);
    EXPECT_TRUE(std::isinf(metrics.train_loss));
    const Arrival order = decode_arrivals(metrics.arrivals, 4);
    EXPECT_EQ(order, (Arrival{0, 1, 2, 3, 0}));
    EXPECT_EQ(steps_of(trainer), 4);
    EXPECT_EQ(metrics.rows, 5 * 16U) << "with the lost batch";
    EXPECT_NE(state_of(trainer), initial);
    for (const Tensor& p : trainer.module().parameters()) EXPECT_TRUE(std::isfinite(p.data<float>()[0]));

    Trainer again(e, ModelId(0), config(16, "sgd", 1e9), data);
    again.initialize();
    const UnitMetrics repeated = train_in(order, again, data, 0);
    EXPECT_TRUE(std::isinf(repeated.train_loss));
    EXPECT_EQ(repeated.rows, metrics.rows);
    EXPECT_EQ(state_of(again), state_of(trainer));
  }
}

// A model's rate follows its updates, of which an epoch has one for each batch.
TEST_F(AsyncTrainer, CountsUpdatesPassesAndBytes) {
  const data::Dataset data = dataset(4);
  const Experiment e = async({}, false);
  Config decaying = config(16);
  decaying.set("schedule", std::string("cosine"));
  EXPECT_EQ(steps_per_epoch(e, decaying, data), 24);
  EXPECT_NEAR(make_schedule(e, decaying, data, 0.01)(24), 0.005, 1e-9) << "two epochs";
  Trainer trainer(e, ModelId(0), decaying, data);
  trainer.initialize();
  std::atomic<std::uint64_t> rows = 0;
  const PartitionRows of = [&](PartitionId id) { return data.partition(id); };
  const UnitMetrics metrics = train_unit(trainer, Epoch(0), all_of(data), of, {}, &rows);
  EXPECT_EQ(rows, 330U);
  EXPECT_EQ(metrics.rows, 330U);
  constexpr std::uint64_t kWeights = 28 * 28 * 12 * 4 + 64 + 12 * 10 * 4 + 32 + 64;  // on boundaries of 64 bytes
  EXPECT_EQ(metrics.shared_bytes, 6 * kWeights);
  EXPECT_EQ(trainer.state().counters().unit, 4);
  EXPECT_EQ(trainer.state().counters().rows, 330);
  EXPECT_EQ(trainer.state().counters().random_key, hash64(11, "random", {0}));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(train_unit(trainer, Epoch(1), all_of(data), of, stop.get_token()), TrainingStopped);
}

struct Nothing final : Exchange {
  void exchange(const Tensor&, std::int64_t) override {}
};

TEST_F(AsyncTrainer, TakesNoExchangeAndNoScaler) {
  const data::Dataset data = dataset(2);
  const Experiment e = async();
  Trainer trainer(e, ModelId(0), config(16), data);
  EXPECT_THAT([&] { trainer.set_exchange(std::make_shared<Nothing>()); },
              ThrowsMessage<ConfigError>(HasSubstr("[run] mode: expected \"sync\"")));
  EXPECT_NO_THROW(trainer.set_exchange(nullptr));
  Experiment scaled = async();
  scaled.model.grad_scaler = true;
  EXPECT_THAT([&] { Trainer(scaled, ModelId(0), config(16), data); },
              ThrowsMessage<ConfigError>(HasSubstr("[model] grad_scaler: expected false with [run] mode = \"async\"")));
}

}  // namespace
}  // namespace hop::hopper
