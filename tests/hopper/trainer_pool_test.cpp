// The trainers of a worker on the CPU: which are kept, and what happens when memory is short. Devices have theirs in
// tests/cuda/hopper/trainer_pool_test.cpp.
#include "hopper/detail/trainer_pool.h"

#include <gtest/gtest.h>

#include <optional>

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
    data::write_dataset(data::glyphs({.train_rows = 32, .test_rows = 10}), *folder_ / "data", {.partitions = 1});
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

  static inline std::optional<TemporaryFolder> folder_;
};

TEST_F(CpuTrainerPool, KeepsTheSixFreeTrainersThatWereUsedLast) {
  const Experiment e = experiment();
  const data::Dataset data = dataset();
  TrainerPool pool(e, data, Device::cpu());
  for (std::int64_t batch = 10; batch < 17; ++batch) {
    std::unique_ptr<Trainer> trainer = pool.take_now(ModelId(0), config(batch));
    EXPECT_EQ(trainer->recordings(), 0U);
    use(*trainer, data);
    pool.give_back(std::move(trainer));
  }
  for (std::int64_t batch = 16; batch > 10; --batch)
    EXPECT_GT(pool.take_now(ModelId(0), config(batch))->recordings(), 0U) << batch;
  EXPECT_EQ(pool.take_now(ModelId(0), config(10))->recordings(), 0U) << "it was the seventh";
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
  EXPECT_NE(pool.take_or_build(ModelId(3), config(10)), nullptr) << "the CPU has as many as are wanted";
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
