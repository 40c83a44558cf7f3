// Units of training on a device, against the CPU and against each other.
#include "hopper/trainer.h"

#include "autograd/ops.h"
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
    return data::DeviceRows::if_they_fit(all, kCuda);
  }

  // One epoch of model 0; the metrics of its last unit.
  static UnitMetrics train(Trainer& trainer, const data::Dataset& dataset) {
    trainer.initialize();
    UnitMetrics metrics;
    for (std::uint32_t q = 0; q < dataset.partition_count(); ++q)
      metrics = trainer.train(dataset.partition(PartitionId(q)), 0, PartitionId(q));
    trainer.validate(dataset.validation(), metrics);
    return metrics;
  }
};

// With SGD: Adam divides by the gradient's size, and makes a whole step of the rounding error that is the gradient of a
// bias before a normalisation.
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

TEST_F(CudaTrainer, RecordsAndAllocatesNothingForTheModelsThatFollow) {
  const Experiment e = perceptron();
  const data::Dataset data = dataset();
  Trainer trainer(e, ModelId(0), config(), data, kCuda, resident(data));
  const data::Partition partition = data.partition(PartitionId(0));
  nn::StateBytes states[2];
  for (std::uint32_t model = 0; model < 2; ++model) {
    trainer.assign(ModelId(model), config(model == 0 ? 0.01 : 0.002));
    trainer.initialize();
    trainer.train(partition, 0, PartitionId(0));
    states[model] = trainer.state().save().wait();
  }
  EXPECT_NE(xxh3_128(states[0]->span()), xxh3_128(states[1]->span()));
  const std::size_t recordings = trainer.recordings();
  const std::uint64_t allocations = memory::system_allocations(kCuda);
  trainer.assign(ModelId(0), config(0.01));
  trainer.state().load(states[0]);
  trainer.train(data.partition(PartitionId(1)), 0, PartitionId(1));
  EXPECT_EQ(trainer.recordings(), recordings);
  EXPECT_EQ(memory::system_allocations(kCuda), allocations);

  Trainer alone(e, ModelId(0), config(0.01), data, kCuda, resident(data));
  alone.initialize();
  alone.train(partition, 0, PartitionId(0));
  alone.train(data.partition(PartitionId(1)), 0, PartitionId(1));
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
    EXPECT_THROW(trainer.train(data.partition(PartitionId(0)), 0, PartitionId(0)), IndexError) << device.to_string();
  }
}

}  // namespace
}  // namespace hop::hopper
