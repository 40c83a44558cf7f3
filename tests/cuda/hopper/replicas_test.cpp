// Replicas on a device, against the CPU and against each other.
#include <memory>
#include <string>
#include <vector>

#include "hopper/run.h"
#include "hopper/train_unit.h"
#include "tests/cuda/hopper/toy.h"

namespace hop::hopper {
namespace {

constexpr Device kCuda = Device::cuda();

class CudaReplicas : public testing::Toy {
 protected:
  static std::shared_ptr<const data::DeviceRows> resident(const data::Dataset& dataset) {
    std::vector<data::Partition> all;
    for (std::uint32_t q = 0; q < dataset.partition_count(); ++q) all.push_back(dataset.partition(PartitionId(q)));
    auto rows = data::DeviceRows::if_they_fit(all, kCuda);
    EXPECT_NE(rows, nullptr) << "the rows would be streamed";
    return rows;
  }
  // Two epochs of model 0; the loss of the last one.
  static double train(Trainer& trainer, const data::Dataset& dataset) {
    std::vector<PartitionId> all;
    for (std::uint32_t q = 0; q < dataset.partition_count(); ++q) all.emplace_back(q);
    const PartitionRows rows = [&](PartitionId id) { return dataset.partition(id); };
    trainer.initialize();
    train_unit(trainer, Epoch(0), all, rows);
    return train_unit(trainer, Epoch(1), all, rows).train_loss;
  }
  // Every way to share; batches of 10, 10 and 3 rows of each replica.
  static std::vector<Experiment> experiments() {
    std::vector<Experiment> all(6, convolution());
    for (Experiment& e : all) e.run.strategy = "averaging";
    all[0].run.strategy = "allreduce";
    all[1].run.strategy = "allreduce";
    all[1].model.layers = perceptron().model.layers;
    all[2].run.replicas.average_every = 2;
    all[3].run.replicas = {.average_every = 1, .average_state = AverageState::Keep};
    all[4].run.replicas = {.average_every = 2, .average_state = AverageState::Reset};
    all[5].run.replicas.average_passes = 2;
    return all;
  }
};

TEST_F(CudaReplicas, AgreeWithTheCpu) {
  const data::Dataset data = dataset();
  const Config sgd = {{"lr", 0.05}, {"batch_size", std::int64_t{10}}, {"momentum", 0.9}};
  for (const Experiment& e : experiments()) {
    Trainer cpu(e, ModelId(0), sgd, data), cuda(e, ModelId(0), sgd, data, kCuda, resident(data));
    EXPECT_NEAR(train(cuda, data), train(cpu, data), 1e-3);
    const nn::StateBytes state = cuda.state().save().wait();
    EXPECT_LT(testing::distance(cpu.state().layout(), state->span(), cpu.state().bytes()), 1e-2);
  }
}

TEST_F(CudaReplicas, GiveTheSameBitsCapturedAndEagerStreamedAndResident) {
  const data::Dataset data = dataset();
  for (const Experiment& e : experiments()) {
    SCOPED_TRACE(e.run.strategy.name());
    Trainer captured(e, ModelId(0), config(), data, kCuda, resident(data));
    const double expected = train(captured, data);
    EXPECT_GT(captured.recordings(), 0U);
    Trainer streamed(e, ModelId(0), config(), data, kCuda);
    EXPECT_EQ(train(streamed, data), expected);
    Experiment plain = e;
    plain.run.capture = false;
    Trainer eager(plain, ModelId(0), config(), data, kCuda, resident(data));
    EXPECT_EQ(train(eager, data), expected);
    EXPECT_EQ(streamed.state().digest(), captured.state().digest());
    EXPECT_EQ(eager.state().digest(), captured.state().digest());
  }
}

// The key that a replica leaves on the device is not the key of the model that follows.
TEST_F(CudaReplicas, LeaveTheKeyOfTheModel) {
  const data::Dataset data = dataset();
  Experiment e = perceptron();
  e.run.strategy = "allreduce";
  Trainer used(e, ModelId(0), config(), data, kCuda), fresh(e, ModelId(0), config(), data, kCuda);
  train(used, data);
  train(used, data);
  train(fresh, data);
  EXPECT_EQ(used.state().digest(), fresh.state().digest());
}

TEST_F(CudaReplicas, GiveTheSameBitsForAnyNumberOfWorkers) {
  for (const char* strategy : {"allreduce", "averaging"}) {
    std::vector<std::string> bits;
    for (const std::uint32_t workers : {1U, 3U}) {
      Experiment e = perceptron();
      e.search.epochs = 2;
      e.run.device = "cuda";
      e.run.strategy = strategy;
      e.run.workers = workers;
      for (const ModelResult& model : run(e).results.models) bits.push_back(model.state_sha256);
    }
    ASSERT_EQ(bits.size(), 4U);
    EXPECT_EQ(bits[0], bits[2]) << strategy;
    EXPECT_EQ(bits[1], bits[3]) << strategy;
  }
}

}  // namespace
}  // namespace hop::hopper
