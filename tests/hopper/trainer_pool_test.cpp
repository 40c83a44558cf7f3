// The trainers of a worker on the CPU: which are kept, and what happens when memory is short. Devices have theirs in
// tests/cuda/hopper/trainer_pool_test.cpp.
#include "hopper/detail/trainer_pool.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "data/glyphs.h"
#include "nn/layers.h"
#include "tensor/allocator.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

class CpuTrainerPool : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_.emplace();
    data::write_dataset(data::glyphs({.train_rows = 32, .test_rows = 10}), *folder_ / "data",
                        {.partitions = 1, .validation = data::Validation::file()});
  }
  static void TearDownTestSuite() { folder_.reset(); }
  void TearDown() override { memory::set_limit(0); }

  static Experiment experiment() {
    Experiment e;
    e.data.source = *folder_ / "data";
    e.model.layers = {"flatten", "linear 10"};
    return e;
  }
  // Another batch size is another architecture.
  static Config config(std::int64_t batch_size) { return {{"lr", 0.01}, {"batch_size", batch_size}}; }
  static data::Dataset dataset() { return data::Dataset::open(*folder_ / "data"); }
  // A trainer that has been used has recorded a step.
  static void use(Trainer& trainer, const data::Dataset& data) {
    trainer.initialize();
    trainer.train(data.partition(PartitionId(0)), Epoch(0), PartitionId(0));
  }

  // A trainer of each batch size from `first` to `last`, each new.
  static void use_each(TrainerPool& pool, const data::Dataset& data, std::int64_t first, std::int64_t last) {
    for (std::int64_t batch = first; batch <= last; ++batch) {
      std::unique_ptr<Trainer> trainer = pool.take_now(ModelId(0), config(batch));
      EXPECT_EQ(trainer->recordings(), 0U);
      use(*trainer, data);
      pool.give_back(std::move(trainer));
    }
  }

  static inline std::optional<TemporaryFolder> folder_;
};

TEST_F(CpuTrainerPool, KeepsTheEightFreeTrainersThatWereUsedLast) {
  const Experiment e = experiment();
  const data::Dataset data = dataset();
  TrainerPool pool(e, data, Device::cpu());
  use_each(pool, data, 10, 18);
  for (std::int64_t batch = 18; batch > 10; --batch)
    EXPECT_GT(pool.take_now(ModelId(0), config(batch))->recordings(), 0U) << batch;
  EXPECT_EQ(pool.take_now(ModelId(0), config(10))->recordings(), 0U) << "it was the ninth";
}

TEST_F(CpuTrainerPool, GivesTheFreeTrainerOfTheArchitecture) {
  const Experiment e = experiment();
  const data::Dataset data = dataset();
  TrainerPool pool(e, data, Device::cpu());
  std::unique_ptr<Trainer> trainer = pool.take_now(ModelId(0), config(10));
  use(*trainer, data);
  const Trainer* first = trainer.get();
  pool.give_back(std::move(trainer));
  const std::unique_ptr<Trainer> other = pool.take_now(ModelId(1), config(20)),
                                 same = pool.take_now(ModelId(2), config(10));
  EXPECT_EQ(same.get(), first);
  EXPECT_NE(other.get(), first);
}

// A second one would have activations of its own, and would record each step once more.
TEST_F(CpuTrainerPool, OneTrainerOfAnArchitectureServesAllUnits) {
  Experiment e = experiment();
  e.model.layers.clear();
  int builds = 0;
  e.model.builder = [&builds](const Config&, const ModelInput&) -> std::shared_ptr<nn::Module> {
    ++builds;
    return std::make_shared<nn::Sequential>(nn::Flatten(), nn::Linear(28 * 28, 10));
  };
  const data::Dataset data = dataset();
  TrainerPool pool(e, data, Device::cpu());
  EXPECT_FALSE(pool.expect(ModelId(0), config(10)));
  pool.build_ahead(ModelId(0), config(10));
  EXPECT_TRUE(pool.expect(ModelId(0), config(10)));
  EXPECT_FALSE(pool.expect(ModelId(1), config(10))) << "an application may build another net for it";
  for (int unit = 0; unit < 5; ++unit) {
    EXPECT_EQ(pool.try_take(ModelId(0), config(10)), nullptr) << "it is for the unit that begins first";
    std::unique_ptr<Trainer> trainer = pool.take_now(ModelId(0), config(10));
    EXPECT_TRUE(pool.expect(ModelId(0), config(10))) << "free or taken";
    pool.give_back(std::move(trainer));
  }
  EXPECT_EQ(builds, 1);
}

// Each trainer replays steps in memory that the other one has written over. Their blocks have the same sizes.
TEST_F(CpuTrainerPool, TrainersShareTheirMemoryAndKeepTheirBits) {
  Experiment e = experiment();
  e.model.layers = {"flatten", "linear 20", "batchnorm1d", "relu", "dropout 0.5", "linear 10"};
  const data::Dataset data = dataset();
  const data::Partition rows = data.partition(PartitionId(0)), validation = data.validation();
  const auto with = [](const char* optimizer) {
    return Config{{"lr", 0.01}, {"batch_size", std::int64_t{10}}, {"optimizer", std::string(optimizer)}};
  };
  const auto epoch = [&](Trainer& trainer, std::uint32_t number) {
    UnitMetrics metrics = trainer.train(rows, Epoch(number), PartitionId(0));
    trainer.validate(validation, metrics);
    return metrics.valid_loss;
  };
  TrainerPool pool(e, data, Device::cpu());
  const std::unique_ptr<Trainer> adam = pool.take_now(ModelId(0), with("adam")),
                                 sgd = pool.take_now(ModelId(1), with("sgd"));
  Trainer adam_alone(e, ModelId(0), with("adam"), data), sgd_alone(e, ModelId(1), with("sgd"), data);
  for (Trainer* trainer : {adam.get(), sgd.get(), &adam_alone, &sgd_alone}) trainer->initialize();
  for (std::uint32_t number = 0; number < 3; ++number) {
    EXPECT_EQ(epoch(*adam, number), epoch(adam_alone, number)) << number;
    EXPECT_EQ(epoch(*sgd, number), epoch(sgd_alone, number)) << number;
  }
  EXPECT_EQ(adam->state().digest(), adam_alone.state().digest());
  EXPECT_EQ(sgd->state().digest(), sgd_alone.state().digest());
}

TEST_F(CpuTrainerPool, ValidationOfAnotherArchitectureTakesNoActivationsOfItsOwn) {
  Experiment e = experiment();
  constexpr std::int64_t kWidth = 50'000, kRows = 10;
  e.model.layers = {"flatten", "linear 1", "linear " + std::to_string(kWidth), "relu", "linear 10"};
  const data::Dataset data = dataset();
  const data::Partition validation = data.validation();
  constexpr std::size_t kActivations = sizeof(float) * kRows * kWidth;
  TrainerPool pool(e, data, Device::cpu());
  const auto taken_by_validation = [&](std::int64_t batch) {
    std::unique_ptr<Trainer> trainer = pool.take_now(ModelId(0), config(batch));
    trainer->initialize();
    UnitMetrics metrics;
    const std::size_t before = memory::active();
    trainer->validate(validation, metrics);
    const std::size_t after = memory::active();
    pool.give_back(std::move(trainer));
    return after - before;
  };
  ASSERT_EQ(validation.rows(), kRows);
  EXPECT_GE(taken_by_validation(10), kActivations);
  EXPECT_LT(taken_by_validation(20), kActivations) << "a batch of rows, and what the first trainer left";
  pool.clear();
  EXPECT_GE(taken_by_validation(10), kActivations) << "the memory went with the trainers";
}

// A block keeps its size, so without this rule the memory of each architecture would stay for the run's life.
TEST_F(CpuTrainerPool, MemoryOfArchitecturesThatAreGoneGoes) {
  Experiment e = experiment();
  e.model.layers = {"flatten", "linear $width"};
  for (int i = 0; i < 20; ++i) e.model.layers.emplace_back("tanh");
  e.model.layers.emplace_back("linear 10");
  const data::Dataset data = dataset();
  TrainerPool pool(e, data, Device::cpu());
  std::vector<std::size_t> active;
  for (std::int64_t width = 100; width < 160; ++width) {
    const Config config = {{"lr", 0.01}, {"batch_size", std::int64_t{32}}, {"width", width}};
    std::unique_ptr<Trainer> trainer = pool.take_now(ModelId(0), config);
    use(*trainer, data);
    pool.give_back(std::move(trainer));
    active.push_back(memory::active());
  }
  // Eight are alive each time, and their widths grow by a third.
  EXPECT_LT(static_cast<double>(active.back()), 1.7 * static_cast<double>(active[20]));
}

TEST_F(CpuTrainerPool, ATrainerThatIsExpectedIsTheLastToGo) {
  const Experiment e = experiment();
  const data::Dataset data = dataset();
  TrainerPool pool(e, data, Device::cpu());
  use_each(pool, data, 10, 17);
  EXPECT_TRUE(pool.expect(ModelId(0), config(10)));
  pool.build_ahead(ModelId(0), config(18));
  EXPECT_GT(pool.take_now(ModelId(0), config(10))->recordings(), 0U);
  EXPECT_FALSE(pool.expect(ModelId(0), config(11))) << "it went instead";
}

// Without lr in a configuration, the optimizer's own rate counts, whichever model had the trainer before.
TEST_F(CpuTrainerPool, AConfigurationWithoutARateDoesNotTakeTheRateOfAnother) {
  const Experiment e = experiment();
  const data::Dataset data = dataset();
  const Config bare = {{"batch_size", std::int64_t{10}}};
  Trainer fresh(e, ModelId(0), bare, data);
  use(fresh, data);
  TrainerPool pool(e, data, Device::cpu());
  pool.give_back(pool.take_now(ModelId(1), {{"lr", 0.5}, {"batch_size", std::int64_t{10}}}));
  const std::unique_ptr<Trainer> trainer = pool.take_now(ModelId(0), bare);
  use(*trainer, data);
  EXPECT_EQ(xxh3_128(trainer->state().save().wait()->span()), xxh3_128(fresh.state().save().wait()->span()));
}

TEST_F(CpuTrainerPool, GivesUpFreeTrainersOfOtherArchitecturesWhenMemoryIsShort) {
  const Experiment e = experiment();
  const data::Dataset data = dataset();
  TrainerPool pool(e, data, Device::cpu());
  memory::empty_cache();
  const std::size_t before = memory::active();
  memory::reset_peak();
  pool.give_back(pool.take_now(ModelId(0), config(10)));
  const std::size_t one = memory::active() - before, while_built = memory::peak() - before;
  memory::set_limit(before + while_built + one / 2);
  std::unique_ptr<Trainer> second;
  EXPECT_NO_THROW(second = pool.take_now(ModelId(0), config(20)));
  EXPECT_THROW(pool.take_now(ModelId(0), config(30)), MemoryError) << "what was taken is not given up";
}

TEST_F(CpuTrainerPool, TriesOnceMoreWithNothingToGiveUp) {
  Experiment e = experiment();
  e.model.layers.clear();
  int builds = 0;
  e.model.builder = [&builds](const Config&, const ModelInput&) -> std::shared_ptr<nn::Module> {
    if (++builds == 1) throw MemoryError("the cache had it all");
    return std::make_shared<nn::Sequential>(nn::Flatten(), nn::Linear(28 * 28, 10));
  };
  const data::Dataset data = dataset();
  TrainerPool pool(e, data, Device::cpu());
  EXPECT_NE(pool.take_now(ModelId(0), config(10)), nullptr);
  EXPECT_EQ(builds, 2);
}

}  // namespace
}  // namespace hop::hopper
