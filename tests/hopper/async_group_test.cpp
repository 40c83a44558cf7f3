// An asynchronous parameter server and the members that push to it, as threads. The judge is one trainer with all
// replicas, which applies the gradients in the order that the server remembers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "tests/hopper/async_group.h"

namespace hop::hopper {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

// Batches of 16 end in short ones. Those of 82 leave two of four replicas with one batch, and two with two.
TEST_F(AsyncGroup, IsRepeatedByOneTrainerInItsOrder) {
  for (const std::uint32_t members : {2U, 3U, 4U}) {
    for (const std::int64_t batch : {16, 82}) {
      for (const bool capture : {true, false}) {
        SCOPED_TRACE(std::to_string(members) + " members, batches of " + std::to_string(batch));
        Experiment e = async({}, batch == 16);
        e.run.capture = capture;
        const Left left = expect_one_trainer_to_repeat(e, config(batch), 4, members);
        expect_all_batches(left.order, batches_of(dataset(4), batch));
        EXPECT_EQ(left.order.front(), 0U) << "the server begins with a batch of its own";
      }
    }
  }
  expect_one_trainer_to_repeat(async(), config(16), 3, 2);
}

TEST_F(AsyncGroup, IsRepeatedWithAnyOptimizerAnAverageAndClippedGradients) {
  Config momentum = config(16, "sgd", 0.05);
  momentum.set("momentum", 0.9);
  momentum.set("schedule", std::string("cosine"));
  Config clipped = config(16);
  clipped.set("clip_grad_norm", 0.5);
  for (const Config& options : {momentum, clipped}) {
    SCOPED_TRACE(options.to_text());
    Experiment e = async();
    e.model.ema = 0.9;
    e.model.mixup = 0.3;
    expect_one_trainer_to_repeat(e, options, 4, 3);
  }
}

TEST_F(AsyncGroup, KeepsTheBoundOfStaleness) {
  const std::vector<std::int64_t> batches = batches_of(dataset(4), 16);
  for (const std::uint32_t bound : {0U, 1U, 3U}) {
    for (const std::uint32_t members : {2U, 4U}) {
      SCOPED_TRACE(std::to_string(members) + " members, bound " + std::to_string(bound));
      const Left left = expect_one_trainer_to_repeat(async(bound), config(16), 4, members);
      expect_all_batches(left.order, batches);
      EXPECT_LE(widest(left.order, batches), std::int64_t{bound} + 1);
    }
  }
}

// A unit that is trained again, because its state is lost, must have the same bits: the server applies in its order.
TEST_F(AsyncGroup, RepeatsAnOrderThatItIsGiven) {
  const data::Dataset data = dataset(4);
  std::mt19937 random(3);
  const Experiment e = async();
  for (const std::uint32_t members : {2U, 3U}) {
    Trainer alone(e, ModelId(0), config(16), data);
    alone.initialize();
    const std::vector<std::byte> initial = state_of(alone);
    Arrival order = in_turns(data, 16);
    std::shuffle(order.begin() + 1, order.end(), random);  // the first one is the server's
    train_in(order, alone, data, 0);
    const Left left = train_together(e, config(16), data, members, 0, initial, order);
    EXPECT_EQ(left.order, order);
    EXPECT_EQ(left.state, state_of(alone));
  }
  EXPECT_THAT(
      [&] {
        Trainer alone(e, ModelId(0), config(16), data);
        alone.initialize();
        train_together(e, config(16), data, 2, 0, state_of(alone), {3, 0});
      },
      ThrowsMessage<StateError>(HasSubstr("begins with a batch of the server")));
}

// The loss is hopeless in a step of some replica, whoever computes it. All members end, and the state is that of the
// last update.
TEST_F(AsyncGroup, EndsTogetherWhereALossIsLost) {
  for (const std::uint32_t members : {2U, 3U, 4U}) {
    for (const std::optional<std::uint32_t> bound : std::vector<std::optional<std::uint32_t>>{std::nullopt, 0U}) {
      SCOPED_TRACE(members);
      const Left left = expect_one_trainer_to_repeat(async(bound, false), config(16, "sgd", 1e9), 4, members);
      EXPECT_TRUE(std::isinf(left.metrics.train_loss));
      EXPECT_LT(left.order.size(), 24U);
    }
  }
}

// Two members with two replicas each: two replicas push six times, and are answered as often.
TEST_F(AsyncGroup, SendsAGradientAndTheWeightsForEachBatchOfOthers) {
  const data::Dataset data = dataset(4);
  const Experiment e = async();
  Trainer alone(e, ModelId(0), config(16), data);
  alone.initialize();
  std::uint64_t weights = 0;
  for (const Tensor& p : alone.module().parameters()) weights += static_cast<std::uint64_t>(p.numel()) * 4;
  for (const std::uint32_t members : {2U, 4U}) {
    const Left left = train_together(e, config(16), data, members, 0, state_of(alone));
    const std::uint64_t gradients = *left.metrics.shared_bytes / 6;  // each replica has six batches
    const std::uint64_t apart = members == 2 ? 2 : 3, others = members - 1;
    const std::uint64_t in_an_epoch = 8 * members * others + 8 * 4 * others;  // whether losses are lost, losses
    EXPECT_EQ(left.bytes, 6 * apart * (gradients + weights + 2 * 16) + in_an_epoch);
  }
}

TEST_F(AsyncGroup, StopsAtTheNextBatchWhenItsGroupIsNoMore) {
  const data::Dataset data = dataset(2);
  for (const std::uint32_t rank : {0U, 1U}) {
    LocalGroup group(2);
    LocalWire wire(group, rank);
    const Experiment e = async();
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

}  // namespace
}  // namespace hop::hopper
