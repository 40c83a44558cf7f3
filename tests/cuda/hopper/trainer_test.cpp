// Units of training on a device, against the CPU and against each other.
#include "hopper/trainer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "autograd/ops.h"
#include "kernels/capture.h"
#include "kernels/cuda/blas.h"
#include "nn/layers.h"
#include "tensor/allocator.h"
#include "tests/cuda/hopper/toy.h"

namespace hop::hopper {
namespace {

constexpr Device kCuda = Device::cuda();

class CudaTrainer : public testing::Toy {
 protected:
  static std::shared_ptr<const data::DeviceRows> resident(const data::Dataset& dataset) {
    std::vector<data::Partition> all;
    for (std::uint32_t q = 0; q < dataset.partition_count(); ++q) all.push_back(dataset.partition(PartitionId(q)));
    all.push_back(dataset.validation());
    auto rows = data::DeviceRows::if_they_fit(all, kCuda);
    EXPECT_NE(rows, nullptr) << "the rows would be streamed";
    return rows;
  }

  // One epoch of model 0; the metrics of its last unit.
  static UnitMetrics train(Trainer& trainer, const data::Dataset& dataset) {
    trainer.initialize();
    UnitMetrics metrics;
    for (std::uint32_t q = 0; q < dataset.partition_count(); ++q)
      metrics = trainer.train(dataset.partition(PartitionId(q)), Epoch(0), PartitionId(q));
    trainer.validate(dataset.validation(), metrics);
    return metrics;
  }
};

// With SGD. The gradient of a bias before a normalisation is nothing but rounding error, and Adam, which divides by the
// gradient's size, would make a whole step of it.
TEST_F(CudaTrainer, AgreesWithTheCpu) {
  for (const Experiment& e : {perceptron(), convolution()}) {
    const data::Dataset data = dataset();
    const Config sgd = {{"lr", 0.05}, {"batch_size", std::int64_t{10}}, {"momentum", 0.9}};
    Trainer cpu(e, ModelId(0), sgd, data), cuda(e, ModelId(0), sgd, data, kCuda, resident(data));
    const UnitMetrics here = train(cpu, data), there = train(cuda, data);
    EXPECT_EQ(there.rows, 23U);
    EXPECT_NEAR(there.train_loss, here.train_loss, 1e-4);
    EXPECT_NEAR(*there.valid_loss, *here.valid_loss, 1e-4);
    EXPECT_NEAR(*there.valid_accuracy, *here.valid_accuracy, 0.04);
    EXPECT_EQ(cuda.state().counters().rows, cpu.state().counters().rows);
    const nn::StateBytes state = cuda.state().save().wait();
    EXPECT_LT(testing::distance(cpu.state().layout(), state->span(), cpu.state().bytes()), 1e-3);
  }
}

TEST_F(CudaTrainer, BeginsWithTheWeightsOfTheCpu) {
  const Experiment e = convolution();
  const data::Dataset data = dataset();
  Trainer cpu(e, ModelId(1), config(), data), cuda(e, ModelId(1), config(), data, kCuda);
  cpu.initialize();
  cuda.initialize();
  EXPECT_EQ(cuda.state().digest(), cpu.state().digest());
}

TEST_F(CudaTrainer, GivesTheSameBitsCapturedAndEagerStreamedAndResident) {
  for (Experiment e : {perceptron(), convolution()}) {
    const data::Dataset data = dataset();
    Trainer captured(e, ModelId(0), config(), data, kCuda, resident(data));
    const UnitMetrics expected = train(captured, data);
    EXPECT_GT(captured.recordings(), 0U);
    Trainer streamed(e, ModelId(0), config(), data, kCuda);
    const UnitMetrics with_streams = train(streamed, data);
    Experiment plain = e;
    plain.run.capture = false;
    Trainer eager(plain, ModelId(0), config(), data, kCuda, resident(data));
    const UnitMetrics without = train(eager, data);
    EXPECT_EQ(eager.recordings(), 0U);
    EXPECT_EQ(streamed.state().digest(), captured.state().digest());
    EXPECT_EQ(eager.state().digest(), captured.state().digest());
    for (const UnitMetrics& metrics : {with_streams, without}) {
      EXPECT_EQ(metrics.train_loss, expected.train_loss);
      EXPECT_EQ(metrics.valid_loss, expected.valid_loss);
      EXPECT_EQ(metrics.valid_accuracy, expected.valid_accuracy);
    }
  }
}

// [model] ema follows each step, and swa_start the end of each epoch.
TEST_F(CudaTrainer, AveragesWeightsAsTheCpuDoesAndWithTheSameBitsCapturedAndEager) {
  const data::Dataset data = dataset();
  const Config sgd = {{"lr", 0.05}, {"batch_size", std::int64_t{10}}, {"momentum", 0.9}};
  for (const bool follows_steps : {true, false}) {
    Experiment e = perceptron();
    e.model.ema = follows_steps ? 0.9 : 0;
    e.model.swa_start = follows_steps ? 0 : 1;
    Experiment plain = e;
    plain.run.capture = false;
    Trainer cpu(e, ModelId(0), sgd, data), captured(e, ModelId(0), sgd, data, kCuda),
        eager(plain, ModelId(0), sgd, data, kCuda);
    UnitMetrics of_cpu, of_captured;
    for (Trainer* trainer : {&cpu, &captured, &eager}) {
      trainer->initialize();
      for (std::uint32_t epoch = 0; epoch < 2; ++epoch) {
        for (std::uint32_t q = 0; q < data.partition_count(); ++q)
          trainer->train(data.partition(PartitionId(q)), Epoch(epoch), PartitionId(q));
        trainer->end_epoch(Epoch(epoch));
      }
    }
    EXPECT_EQ(eager.state().digest(), captured.state().digest()) << follows_steps;
    cpu.validate(data.validation(), of_cpu);
    captured.validate(data.validation(), of_captured);
    EXPECT_NEAR(*of_captured.valid_loss, *of_cpu.valid_loss, 1e-4);
    const nn::StateBytes state = captured.state().save().wait();
    EXPECT_LT(testing::distance(cpu.state().layout(), state->span(), cpu.state().bytes()), 1e-3);
  }
}

// [run] precision = "f16" with [model] grad_scaler, which belong together.
TEST_F(CudaTrainer, TrainsInF16WithAScalerToTheSameBitsCapturedAndEager) {
  const data::Dataset data = dataset();
  Experiment e = perceptron();
  e.run.precision = "f16";
  e.model.grad_scaler = true;
  Experiment plain = e;
  plain.run.capture = false;
  Trainer captured(e, ModelId(0), config(), data, kCuda), eager(plain, ModelId(0), config(), data, kCuda);
  for (Trainer* trainer : {&captured, &eager}) {
    trainer->initialize();
    const auto initial = trainer->state().digest();
    for (std::uint32_t q = 0; q < data.partition_count(); ++q) {
      const UnitMetrics metrics = trainer->train(data.partition(PartitionId(q)), Epoch(0), PartitionId(q));
      EXPECT_TRUE(std::isfinite(metrics.train_loss));
    }
    EXPECT_NE(trainer->state().digest(), initial);
  }
  EXPECT_EQ(eager.state().digest(), captured.state().digest());
}

TEST_F(CudaTrainer, RecordsAndAllocatesNothingForTheModelsThatFollow) {
  const Experiment e = perceptron();
  const data::Dataset data = dataset();
  Trainer trainer(e, ModelId(0), config(), data, kCuda, resident(data));
  const data::Partition partition = data.partition(PartitionId(0));
  nn::StateBytes states[2];
  for (std::uint32_t model = 0; model < 2; ++model) {
    trainer.assign(ModelId(model), config(model == 0 ? 0.01 : 0.002));
    trainer.initialize();
    trainer.train(partition, Epoch(0), PartitionId(0));
    states[model] = trainer.state().save().wait();
  }
  EXPECT_NE(xxh3_128(states[0]->span()), xxh3_128(states[1]->span()));
  const std::size_t recordings = trainer.recordings();
  const std::uint64_t allocations = memory::system_allocations(kCuda);
  trainer.assign(ModelId(0), config(0.01));
  trainer.state().load(states[0]);
  trainer.train(data.partition(PartitionId(1)), Epoch(0), PartitionId(1));
  EXPECT_EQ(trainer.recordings(), recordings);
  EXPECT_EQ(memory::system_allocations(kCuda), allocations);

  Trainer alone(e, ModelId(0), config(0.01), data, kCuda, resident(data));
  alone.initialize();
  alone.train(partition, Epoch(0), PartitionId(0));
  alone.train(data.partition(PartitionId(1)), Epoch(0), PartitionId(1));
  EXPECT_EQ(trainer.state().digest(), alone.state().digest()) << "who trained there before leaves no trace";
}

TEST_F(CudaTrainer, TellsOfALabelThatTheModelHasNoOutputFor) {
  Experiment e = perceptron();
  e.model.layers.clear();
  e.model.capture_builder = true;
  e.model.builder = [](const Config&, const ModelInput&) {
    return std::make_shared<nn::Sequential>(nn::Flatten(), nn::Linear(64, 2));
  };
  const data::Dataset data = dataset();
  for (const Device device : {Device::cpu(), kCuda}) {
    Trainer trainer(e, ModelId(0), config(), data, device);
    trainer.initialize();
    EXPECT_THROW(trainer.train(data.partition(PartitionId(0)), Epoch(0), PartitionId(0)), IndexError)
        << device.to_string();
  }
}

// Notes the shape of each input, and whether the call is recorded.
class Observed : public nn::Module {
 public:
  using Calls = std::vector<std::pair<Shape, bool>>;
  explicit Observed(std::shared_ptr<Calls> calls)
      : linear_(register_module("linear", nn::Linear(64, 3))), calls_(std::move(calls)) {}
  Tensor forward(const Tensor& x) override {
    Shape shape = x.shape();
    shape.push_back(is_training() ? 1 : 0);
    calls_->emplace_back(shape, is_capturing());
    return linear_(nn::Flatten()(x));
  }

 private:
  nn::Linear linear_;
  std::shared_ptr<Calls> calls_;
};

// A library that meets a shape for the first time allocates memory and loads code. Neither is allowed while a step is
// recorded.
TEST_F(CudaTrainer, RunsEveryKindOfStepOnceBeforeItRecordsIt) {
  Experiment e = perceptron();
  e.model.layers.clear();
  e.model.capture_builder = true;
  const auto calls = std::make_shared<Observed::Calls>();
  e.model.builder = [calls](const Config&, const ModelInput&) { return std::make_shared<Observed>(calls); };
  const data::Dataset data = dataset();
  for (const bool is_resident : {true, false}) {
    calls->clear();
    Trainer trainer(e, ModelId(0), config(), data, kCuda, is_resident ? resident(data) : nullptr);
    train(trainer, data);
    UnitMetrics metrics;
    trainer.validate(data.validation(), metrics);
    trainer.validate(data.validation(), metrics);
    std::size_t recorded = 0;
    for (std::size_t i = 0; i < calls->size(); ++i) {
      const auto& [shape, is_recorded] = (*calls)[i];
      if (!is_recorded) continue;
      ++recorded;
      const auto before = calls->begin() + static_cast<std::ptrdiff_t>(i);
      EXPECT_NE(std::find(calls->begin(), before, std::pair(shape, false)), before) << shape.to_string();
    }
    EXPECT_EQ(recorded, trainer.recordings());
    EXPECT_GE(recorded, 3U) << "whole and short batches, and validation";
  }
}

TEST_F(CudaTrainer, CountsTheRowsUntilALostStepAsTheCpuAndLeavesTheWeightsAsTheyWere) {
  const Experiment e = perceptron();
  const data::Dataset data = dataset();
  const Config wild = {{"lr", 1e12}, {"batch_size", std::int64_t{10}}, {"optimizer", std::string("sgd")}};
  for (const Device device : {Device::cpu(), kCuda}) {
    Trainer trainer(e, ModelId(0), wild, data, device);
    trainer.initialize();
    const UnitMetrics first = trainer.train(data.partition(PartitionId(0)), Epoch(0), PartitionId(0));
    EXPECT_TRUE(std::isinf(first.train_loss)) << device.to_string();
    EXPECT_EQ(first.rows, 20U) << device.to_string();
    EXPECT_EQ(trainer.state().counters().rows, 20) << device.to_string();
    const auto weights = [&] {  // all but the counters; a copy
      const nn::StateBytes bytes = trainer.state().save().wait();
      return std::vector<std::byte>(bytes->data() + sizeof(nn::Counters), bytes->data() + bytes->size());
    };
    const std::vector<std::byte> before = weights();
    const UnitMetrics second = trainer.train(data.partition(PartitionId(1)), Epoch(0), PartitionId(1));
    EXPECT_EQ(second.rows, 10U) << device.to_string();
    EXPECT_EQ(weights(), before) << device.to_string();
  }
}

TEST_F(CudaTrainer, ComputesInThePrecisionOfTheExperiment) {
  if (!kernels::cuda::blas::available()) {
    GTEST_SKIP() << "our own kernels compute strict: " << kernels::cuda::blas::why_not_available();
  }
  const Experiment strict = perceptron();
  Experiment bf16 = strict;
  bf16.run.precision = "bf16";
  const data::Dataset data = dataset();
  Trainer exact(strict, ModelId(0), config(), data, kCuda), rounded(bf16, ModelId(0), config(), data, kCuda);
  const UnitMetrics a = train(exact, data), b = train(rounded, data);
  EXPECT_NE(exact.state().digest(), rounded.state().digest());
  EXPECT_NE(*a.valid_loss, *b.valid_loss);
  EXPECT_NEAR(a.train_loss, b.train_loss, 0.1);
}

}  // namespace
}  // namespace hop::hopper
