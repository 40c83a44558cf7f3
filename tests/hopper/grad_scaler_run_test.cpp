// Runs whose loss is scaled: the scale is a part of the state, so it has the same bits on every way to a state, and a
// step with an infinite gradient is left out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "autograd/elementwise.h"
#include "autograd/loss.h"
#include "base/error.h"
#include "hopper/run.h"
#include "hopper/trainer.h"
#include "tests/hopper/averaged_run.h"
#include "tests/hopper/same_bits.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

constexpr const char *kScale = "optimizer.grad_scaler.scale", *kTracker = "optimizer.grad_scaler.growth_tracker";

class GradScalerRun : public AveragedRun {
 protected:
  static Experiment experiment(bool grad_scaler) {
    Experiment e = AveragedRun::experiment(0.9);
    e.model.grad_scaler = grad_scaler;
    return e;
  }
  static Config config(double clip = 0) {
    Config config = AveragedRun::config(24);
    config.set("clip_grad_norm", clip);
    return config;
  }
  static const nn::Segment& segment(const Trainer& trainer, const std::string& name) {
    const auto& segments = trainer.state().layout().segments;
    const auto found = std::ranges::find(segments, name, &nn::Segment::name);
    if (found == segments.end()) throw StateError("no segment " + name);
    return *found;
  }
  static void set_scale(Trainer& trainer, float scale) {
    std::memcpy(trainer.state().bytes().data() + segment(trainer, kScale).offset, &scale, sizeof scale);
  }
  static void train(Trainer& trainer, const data::Dataset& data, std::uint32_t partition = 0) {
    trainer.train(data.partition(PartitionId(partition)), Epoch(0), PartitionId(partition));
  }
};

TEST_F(GradScalerRun, HasTheSameBitsForAnyNumberOfWorkersRecordedOrNot) {
  expect_the_same_bits_however_it_runs(experiment(true), *folder_ / "two");
}

TEST_F(GradScalerRun, KilledResumesToTheSameBits) {
  expect_the_same_bits_after_a_kill(experiment(true), *folder_ / "killed", 3);
}

// A power of two scales f32 exactly, so only the scale itself differs from a run without.
TEST_F(GradScalerRun, ChangesNoWeightWhereNothingOverflows) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  for (const double clip : {0.0, 0.1}) {
    const Experiment with = experiment(true), without = experiment(false);
    Trainer a(with, ModelId(0), config(clip), data), b(without, ModelId(0), config(clip), data);
    for (Trainer* trainer : {&a, &b}) {
      trainer->initialize();
      for (std::uint32_t p = 0; p < 2; ++p) train(*trainer, data, p);
    }
    for (const nn::NamedTensor& p : b.module().named_parameters()) {
      EXPECT_EQ(values(a, p.name), values(b, p.name)) << p.name << ", clipped to " << clip;
      const std::string average = "optimizer.average." + p.name;
      EXPECT_EQ(values(a, average), values(b, average)) << average;
    }
    EXPECT_EQ(values(a, kScale), std::vector<float>{65536});
    EXPECT_EQ(values<std::int32_t>(a, kTracker), std::vector<std::int32_t>{8}) << "two passes of four batches";
  }
}

// Twice the loss overflows at the first scale, and no more once it is halved.
TEST_F(GradScalerRun, LeavesStepsWithInfiniteGradientsOut) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  for (const bool capture : {true, false}) {
    for (const double clip : {0.0, 0.1}) {
      Experiment e = experiment(true);
      e.run.capture = capture;
      e.model.layers = {"flatten", "linear 10"};
      e.model.loss = [](const Tensor& output, const Tensor& target) { return cross_entropy(output, target) * 2.0; };
      Trainer trainer(e, ModelId(0), config(clip), data);
      trainer.initialize();
      const std::vector<float> before = values(trainer, "1.weight");
      set_scale(trainer, 0x1p127F);
      train(trainer, data);
      const int skipped = 127 - std::ilogb(values(trainer, kScale)[0]);
      EXPECT_GE(skipped, 1);
      EXPECT_LT(skipped, 4);
      EXPECT_EQ(values<std::int32_t>(trainer, kTracker), std::vector<std::int32_t>{4 - skipped});
      EXPECT_NE(values(trainer, "1.weight"), before);
      for (const float w : values(trainer, "1.weight")) ASSERT_TRUE(std::isfinite(w));
    }
  }
}

// The optimizer counts fewer steps than there are batches; a schedule of epochs counts epochs all the same.
TEST_F(GradScalerRun, KeepsASchedulesEpochsWhateverStepsAreLeftOut) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  Experiment e = experiment(true);
  e.model.layers = {"flatten", "linear 10"};
  e.model.loss = [](const Tensor& output, const Tensor& target) { return cross_entropy(output, target) * 2.0; };
  Config halved = config();
  halved.set("schedule", std::string("step"));
  halved.set("gamma", 0.5);
  halved.set("schedule_by", std::string("epoch"));
  Trainer trainer(e, ModelId(0), halved, data), right(e, ModelId(0), config(), data);
  for (Trainer* each : {&trainer, &right}) {
    each->initialize();
    set_scale(*each, 0x1p127F);
  }
  for (std::uint32_t epoch = 0; epoch < 3; ++epoch) {
    Config now = config();
    now.set("lr", config().number("lr") * std::ldexp(1.0, -static_cast<int>(epoch)));
    right.assign(ModelId(0), now);
    for (const PartitionId p : {PartitionId(0), PartitionId(1)}) {
      trainer.train(data.partition(p), Epoch(epoch), p);
      right.train(data.partition(p), Epoch(epoch), p);
    }
    EXPECT_EQ(values(trainer, "1.weight"), values(right, "1.weight")) << epoch;
  }
  EXPECT_LT(values(trainer, kScale)[0], 0x1p127F) << "no step was left out";
}

TEST_F(GradScalerRun, ChangesNothingWhereEveryStepIsLeftOut) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  Experiment e = experiment(true);
  e.model.layers = {"flatten", "linear 10"};
  Trainer trainer(e, ModelId(0), config(), data);
  trainer.initialize();
  set_scale(trainer, std::numeric_limits<float>::infinity());
  const std::vector<float> before = values(trainer, "1.weight"),
                           average = values(trainer, "optimizer.average.1.weight");
  train(trainer, data);
  EXPECT_EQ(values(trainer, "1.weight"), before);
  EXPECT_EQ(values(trainer, "optimizer.average.1.weight"), average);
  EXPECT_EQ(values<std::int32_t>(trainer, kTracker), std::vector<std::int32_t>{0});
}

TEST_F(GradScalerRun, OneReplicaHasTheBitsOfAModelWithoutReplicas) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  const PartitionId id(0);
  Experiment alone = experiment(true);
  alone.run.strategy = "task_parallel";
  Trainer right(alone, ModelId(0), config(), data);
  right.initialize();
  train(right, data);
  for (const char* strategy : {"allreduce", "averaging"}) {
    Experiment e = experiment(true);
    e.run.strategy = strategy;
    Trainer trainer(e, ModelId(0), config(), data);
    trainer.initialize();
    trainer.train_replicas(
        std::vector{id}, [&](PartitionId q) { return data.partition(q); }, Epoch(0));
    for (const nn::NamedTensor& p : trainer.module().named_parameters())
      EXPECT_EQ(values(trainer, p.name), values(right, p.name)) << strategy << " " << p.name;
    EXPECT_EQ(values(trainer, kScale), values(right, kScale)) << strategy;
    EXPECT_EQ(values<std::int32_t>(trainer, kTracker), values<std::int32_t>(right, kTracker)) << strategy;
  }
}

TEST_F(GradScalerRun, GivesNoScaledGradientsToAnExchange) {
  struct Nothing final : Exchange {
    void exchange(const Tensor&, std::int64_t) override {}
  };
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  const Experiment scaled = experiment(true), plain = experiment(false);
  Trainer refuses(scaled, ModelId(0), config(), data), takes(plain, ModelId(0), config(), data);
  EXPECT_THAT([&] { refuses.set_exchange(std::make_shared<Nothing>()); },
              testing::ThrowsMessage<ConfigError>(HasSubstr("[model] grad_scaler: expected false")));
  EXPECT_NO_THROW(takes.set_exchange(std::make_shared<Nothing>()));
}

TEST_F(GradScalerRun, IsOffByDefault) {
  EXPECT_FALSE(ModelOptions{}.grad_scaler);
  const Experiment plain = experiment(false);
  EXPECT_THAT(to_toml(plain), Not(HasSubstr("grad_scaler")));
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  const Trainer trainer(plain, ModelId(0), config(), data);
  for (const nn::Segment& s : trainer.state().layout().segments) EXPECT_THAT(s.name, Not(HasSubstr("grad_scaler")));
}

TEST_F(GradScalerRun, ReadsChecksAndWritesItsKey) {
  const Experiment e = experiment(true);
  EXPECT_THAT(to_toml(e), HasSubstr("\ngrad_scaler = true\n"));
  EXPECT_TRUE(parse_experiment(to_toml(e), "e.toml").model.grad_scaler);
  EXPECT_FALSE(
      parse_experiment(to_toml(e), "e.toml", std::vector<std::string>{"model.grad_scaler=false"}).model.grad_scaler);
  EXPECT_THROW(parse_experiment(to_toml(e), "e.toml", std::vector<std::string>{"model.grad_scaler=2"}), ConfigError);
}

}  // namespace
}  // namespace hop::hopper
