// Trainers on the CPU: what a place where models are trained keeps between steps, units and models.
#include "hopper/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "data/glyphs.h"
#include "kernels/copy.h"
#include "kernels/precision.h"
#include "nn/layers.h"
#include "nn/optim/by_name.h"
#include "nn/state_pool.h"
#include "tensor/allocator.h"
#include "tests/nn/allocations.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

using ::testing::HasSubstr;

class CpuTrainer : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_.emplace();
    data::write_dataset(data::glyphs({.train_rows = 400, .test_rows = 64}), *folder_ / "data",
                        {.name = "glyphs", .partitions = 2, .validation = data::Validation::file()});
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static Experiment experiment() {
    Experiment e;
    e.seed = 11;
    e.data.source = *folder_ / "data";
    e.model.layers = {"flatten", "dropout 0.1", "linear 16", "relu", "linear 10"};
    return e;
  }
  static Config config(double lr, std::int64_t batch_size = 2) {
    return {{"lr", lr}, {"batch_size", batch_size}, {"optimizer", std::string("adam")}};
  }
  static data::Dataset dataset() { return data::Dataset::open(*folder_ / "data"); }

  static inline std::optional<TemporaryFolder> folder_;
};

TEST_F(CpuTrainer, AllocatesNothingInAStepThatItReplays) {
  const Experiment e = experiment();
  const data::Dataset data = dataset();
  const data::Partition partition = data.partition(PartitionId(0));
  Trainer trainer(e, ModelId(0), config(0.01), data);
  trainer.initialize();
  trainer.train(partition, Epoch(0), PartitionId(0));
  const std::uint64_t system_before = memory::system_allocations();
  const std::uint64_t before = nn::testing::heap_allocations();
  trainer.train(partition, Epoch(1), PartitionId(0));
  // A unit has 100 steps here, and needs an order, and a few things when it begins and ends.
  EXPECT_LT(nn::testing::heap_allocations() - before, 30U);
  EXPECT_EQ(memory::system_allocations(), system_before);
}

TEST_F(CpuTrainer, RecordsNothingWhenAModelComesBack) {
  const Experiment e = experiment();
  const data::Dataset data = dataset();
  Trainer trainer(e, ModelId(0), config(0.01, 48), data);  // batches of 48 and one of 8
  const auto pool = nn::StatePool::make_shared();
  const std::uint64_t bytes = trainer.state().layout().bytes;
  nn::StateBytes states[2];
  std::size_t recordings = 0;
  for (std::uint32_t unit = 0; unit < 9; ++unit) {
    const std::uint32_t model = unit % 2;
    trainer.assign(ModelId(model), config(model == 0 ? 0.01 : 0.002, 48));
    if (unit < 2) {
      trainer.initialize();
    } else {  // as it comes from another worker: into a block that was used before
      const nn::StateBytes arrived = pool->make(bytes);
      std::copy_n(states[model]->data(), bytes, arrived->data());
      states[model].reset();
      trainer.state().load(arrived);
    }
    trainer.train(data.partition(PartitionId(0)), Epoch(unit / 2), PartitionId(0));
    states[model] = trainer.state().save().wait();
    trainer.state().give_up();
    if (unit == 4) recordings = trainer.recordings();
  }
  EXPECT_EQ(trainer.recordings(), recordings);
}

TEST_F(CpuTrainer, LimitsTheNormOfGradients) {
  const data::Dataset data = dataset();
  const data::Partition partition = data.partition(PartitionId(0));
  const auto train = [&](double limit, bool captures, std::uint32_t units) {
    Experiment e = experiment();
    e.run.capture = captures;
    const Config settings = {{"lr", 1.0}, {"batch_size", std::int64_t{200}}, {"clip_grad_norm", limit}};
    Trainer trainer(e, ModelId(0), settings, data);
    trainer.initialize();
    std::vector<Tensor> before;
    for (const Tensor& p : trainer.module().parameters()) before.push_back(kernels::clone(p));
    for (std::uint32_t unit = 0; unit < units; ++unit) trainer.train(partition, Epoch(unit), PartitionId(0));
    double moved = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      const Tensor now = trainer.module().parameters()[i];
      for (std::int64_t k = 0; k < now.numel(); ++k)
        moved +=
            std::pow(static_cast<double>(now.data<float>()[k]) - static_cast<double>(before[i].data<float>()[k]), 2);
    }
    return std::pair(std::sqrt(moved), trainer.state().digest());
  };
  const double plain = train(0, true, 1).first;  // one step of SGD with lr 1 goes as far as the gradient is long
  EXPECT_GT(plain, 0.01);
  EXPECT_NEAR(train(plain / 4, true, 1).first, plain / 4, 1e-4 * plain);
  EXPECT_EQ(train(1e6, true, 3).second, train(0, true, 3).second);
  EXPECT_EQ(train(plain / 4, true, 3).second, train(plain / 4, false, 3).second);
  EXPECT_THROW(train(-1, true, 1), ConfigError);
}

TEST_F(CpuTrainer, HasTheSameBitsWithEveryOptimizerWhetherItRecordsStepsOrNot) {
  const data::Dataset data = dataset();
  const data::Partition partition = data.partition(PartitionId(0));
  for (const optim::OptimizerRow& row : optim::optimizers()) {
    const auto train = [&](bool captures) {
      Experiment e = experiment();
      e.run.capture = captures;
      const Config settings = {
          {"optimizer", row.name}, {"batch_size", std::int64_t{48}}, {"schedule", std::string("one_cycle")}};
      Trainer trainer(e, ModelId(0), settings, data);
      trainer.initialize();
      for (std::uint32_t unit = 0; unit < 2; ++unit) {
        const UnitMetrics metrics = trainer.train(partition, Epoch(unit), PartitionId(0));
        EXPECT_TRUE(std::isfinite(metrics.train_loss)) << row.name;
      }
      return trainer.state().digest();
    };
    EXPECT_EQ(train(true), train(false)) << row.name;
  }
}

TEST_F(CpuTrainer, LeavesNoTraceOfTheModelBefore) {
  const Experiment e = experiment();
  const data::Dataset data = dataset();
  const data::Partition partition = data.partition(PartitionId(1));
  Trainer shared(e, ModelId(0), config(0.1), data), alone(e, ModelId(1), config(0.001), data);
  shared.initialize();
  shared.train(partition, Epoch(0), PartitionId(1));
  shared.assign(ModelId(1), config(0.001));
  shared.initialize();
  alone.initialize();
  UnitMetrics first = shared.train(partition, Epoch(0), PartitionId(1)),
              second = alone.train(partition, Epoch(0), PartitionId(1));
  shared.validate(data.validation(), first);
  alone.validate(data.validation(), second);
  EXPECT_EQ(shared.state().digest(), alone.state().digest());
  EXPECT_EQ(first.train_loss, second.train_loss);
  EXPECT_EQ(first.valid_loss, second.valid_loss);
}

// Remembers in a buffer, which nobody resets, that it computed.
struct Counting : nn::Module {
  Counting()
      : linear(register_module("linear", nn::Linear(28 * 28, 10))),
        passes(register_buffer("passes", kernels::zeros({1}, DType::f32))) {}
  Tensor forward(const Tensor& x) override {
    kernels::fill_(passes, 1);
    return linear(nn::Flatten()(x));
  }
  nn::Linear linear;
  Tensor passes;
};

// A partition has 200 rows: batches of 199 leave one.
TEST_F(CpuTrainer, AsksBeforeTheFirstUnitWhetherTheModelCanBeTrainedWithOneRow) {
  Experiment e = experiment();
  const data::Dataset data = dataset();
  e.model.layers = {"flatten", "linear 16", "batchnorm1d", "linear 10"};
  Trainer trainer(e, ModelId(0), config(0.01, 199), data);
  EXPECT_THAT([&] { trainer.initialize(); }, testing::ThrowsMessage<ConfigError>(HasSubstr("a last batch of one row")));

  e.model.layers.clear();
  e.model.builder = [](const Config&, const ModelInput&) { return std::make_shared<Counting>(); };
  Trainer asked(e, ModelId(0), config(0.01, 199), data), spared(e, ModelId(0), config(0.01, 200), data);
  asked.initialize();
  spared.initialize();
  EXPECT_EQ(asked.state().digest(), spared.state().digest()) << "asking leaves no trace";
}

TEST_F(CpuTrainer, IsForModelsThatDifferInLearningRateAlone) {
  const Experiment e = experiment();
  const data::Dataset data = dataset();
  Trainer trainer(e, ModelId(0), config(0.1), data);
  Config scheduled = config(0.2);
  scheduled.set("schedule", std::string("cosine"));
  EXPECT_NO_THROW(trainer.assign(ModelId(1), scheduled));
  EXPECT_THROW(trainer.assign(ModelId(2), config(0.1, 4)), StateError);
}

TEST_F(CpuTrainer, LeavesTheWeightsAsTheyWereBeforeALostStep) {
  const Experiment e = experiment();
  const data::Dataset data = dataset();
  Config wild = {{"lr", 1e12}, {"batch_size", std::int64_t{48}}, {"optimizer", std::string("sgd")}};
  Trainer trainer(e, ModelId(0), wild, data);
  trainer.initialize();
  const UnitMetrics first = trainer.train(data.partition(PartitionId(0)), Epoch(0), PartitionId(0));
  EXPECT_TRUE(std::isinf(first.train_loss));
  EXPECT_EQ(first.rows, 96U) << "the first step is wild, the second meets it";
  EXPECT_EQ(trainer.state().counters().rows, 96);
  const auto weights = [&] {  // all but the counters
    const std::span<const std::byte> bytes = trainer.state().bytes();
    return std::vector<std::byte>(bytes.begin() + sizeof(nn::Counters), bytes.end());
  };
  const std::vector<std::byte> before = weights();
  const UnitMetrics second = trainer.train(data.partition(PartitionId(1)), Epoch(0), PartitionId(1));
  EXPECT_EQ(second.rows, 48U);
  EXPECT_EQ(weights(), before);
}

TEST_F(CpuTrainer, ComputesInThePrecisionOfTheExperiment) {
  if (!kernels::has_bf16()) GTEST_SKIP() << "this processor multiplies no bf16: bf16 means strict";
  Experiment strict = experiment();
  strict.model.layers = {"flatten", "linear 64", "relu", "linear 10"};
  Experiment bf16 = strict;
  bf16.run.precision = "bf16";
  const data::Dataset data = dataset();
  Trainer exact(strict, ModelId(0), config(0.01, 50), data), rounded(bf16, ModelId(0), config(0.01, 50), data);
  exact.initialize();
  rounded.initialize();
  UnitMetrics a, b;
  exact.validate(data.validation(), a);
  rounded.validate(data.validation(), b);
  EXPECT_NE(*a.valid_loss, *b.valid_loss);
  EXPECT_NEAR(*a.valid_loss, *b.valid_loss, 0.05);
  a = exact.train(data.partition(PartitionId(0)), Epoch(0), PartitionId(0));
  b = rounded.train(data.partition(PartitionId(0)), Epoch(0), PartitionId(0));
  EXPECT_NE(exact.state().digest(), rounded.state().digest());
  EXPECT_NEAR(a.train_loss, b.train_loss, 0.05);
  EXPECT_EQ(kernels::precision(), kernels::Precision::strict) << "the thread's own precision comes back";
}

// A clone begins with its parent's state. One step over all rows, without dropout, so that both models see the same
// gradient.
TEST_F(CpuTrainer, ACloneTakesItsHyperparametersFromItsConfigAndItsRandomNumbersFromItsId) {
  Experiment e = experiment();
  e.model.layers = {"flatten", "linear 4", "tanh", "linear 10"};
  const data::Dataset data = dataset();
  const data::Partition rows = data.partition(PartitionId(0));
  const auto config_of = [](double lr) {
    return Config{{"lr", lr}, {"batch_size", std::int64_t{1000}}, {"optimizer", std::string("sgd")}};
  };
  Trainer parent(e, ModelId(0), config_of(0.01), data), clone(e, ModelId(7), config_of(0.02), data);
  parent.initialize();
  parent.train(rows, Epoch(0), PartitionId(0));
  const auto values = [](Trainer& trainer) {
    std::vector<double> all;
    for (const auto& [name, tensor] : trainer.module().named_parameters()) {
      for (std::int64_t i = 0; i < tensor.numel(); ++i) all.push_back(tensor.data<float>()[i]);
    }
    return all;
  };
  const std::vector<double> before = values(parent);
  nn::StateBytes copy = nn::StatePool::make_shared()->make(parent.state().layout().bytes);
  const ByteView state = std::as_const(parent.state()).bytes();
  std::copy(state.begin(), state.end(), copy->data());
  clone.state().load(copy);
  const std::uint64_t parents_key = parent.state().counters().random_key;
  parent.train(rows, Epoch(1), PartitionId(0));
  clone.train(rows, Epoch(1), PartitionId(0));
  EXPECT_EQ(parent.state().counters().random_key, parents_key);
  EXPECT_NE(clone.state().counters().random_key, parents_key);
  const std::vector<double> of_parent = values(parent), of_clone = values(clone);
  double parents_step = 0, clones_step = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    parents_step += std::abs(of_parent[i] - before[i]);
    clones_step += std::abs(of_clone[i] - before[i]);
  }
  EXPECT_GT(parents_step, 0);
  EXPECT_NEAR(clones_step / parents_step, 2, 1e-3);
}

}  // namespace
}  // namespace hop::hopper
