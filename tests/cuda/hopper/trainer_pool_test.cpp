// The trainers of a worker on a device: two per architecture where they fit, one where they do not. The application's
// builder is called once for each trainer that is built.
#include "hopper/detail/trainer_pool.h"

#include "base/error.h"
#include "nn/layers.h"
#include "tests/cuda/hopper/toy.h"

namespace hop::hopper {
namespace {

class CudaTrainerPool : public testing::Toy {
 protected:
  CudaTrainerPool() {
    experiment_.model.layers.clear();
    experiment_.model.builder = [this](const Config&, const ModelInput&) -> std::shared_ptr<nn::Module> {
      if (++builds_ == fails_at_) throw MemoryError("[test] this build finds no memory");
      return std::make_shared<nn::Sequential>(nn::Flatten(), nn::Linear(64, 3));
    };
  }
  void SetUp() override {
    Toy::SetUp();
    if (IsSkipped()) return;
    data_.emplace(dataset());
    pool_.emplace(experiment_, *data_, Device::cuda());
  }
  std::unique_ptr<Trainer> take() { return pool_->take_now(ModelId(0), config()); }
  std::unique_ptr<Trainer> try_take() { return pool_->try_take(ModelId(0), config()); }

  Experiment experiment_ = perceptron();
  int builds_ = 0, fails_at_ = -1;
  std::optional<data::Dataset> data_;
  std::optional<TrainerPool> pool_;
};

TEST_F(CudaTrainerPool, BuildsASecondTrainerOfAnArchitectureAndNoThird) {
  pool_->give_back(take());
  EXPECT_EQ(builds_, 1);
  pool_->give_back(take());
  EXPECT_EQ(builds_, 2) << "while one trains, a state arrives in the other";
  for (int unit = 0; unit < 5; ++unit) pool_->give_back(take());
  EXPECT_EQ(builds_, 2);
}

TEST_F(CudaTrainerPool, GivesEarlyOnlyWhatIsFree) {
  EXPECT_EQ(try_take(), nullptr);
  EXPECT_FALSE(pool_->expect(ModelId(0), config()));
  EXPECT_EQ(builds_, 0) << "building waits for the device";
  std::unique_ptr<Trainer> trainer = take();
  EXPECT_EQ(try_take(), nullptr);
  const Trainer* first = trainer.get();
  pool_->give_back(std::move(trainer));
  EXPECT_EQ(try_take().get(), first);
}

TEST_F(CudaTrainerPool, TakesTheFreeTrainerWhereASecondOneDoesNotFitAndRemembersIt) {
  fails_at_ = 2;
  std::unique_ptr<Trainer> trainer = take();
  const Trainer* first = trainer.get();
  pool_->give_back(std::move(trainer));
  for (int unit = 0; unit < 5; ++unit) {
    trainer = take();
    EXPECT_EQ(trainer.get(), first);
    pool_->give_back(std::move(trainer));
    EXPECT_EQ(try_take(), nullptr) << "the only trainer is for the unit that comes first";
  }
  EXPECT_EQ(builds_, 2) << "one try, and no other per unit";
}

TEST_F(CudaTrainerPool, TriesOnceMoreWhereNoTrainerIsFree) {
  fails_at_ = 1;
  EXPECT_NE(take(), nullptr);
  EXPECT_EQ(builds_, 2);
}

TEST_F(CudaTrainerPool, BuildsAgainForATrainerThatWasForgotten) {
  std::unique_ptr<Trainer> first = take(), second = take();
  pool_->forget(std::move(second));
  pool_->give_back(std::move(first));
  std::unique_ptr<Trainer> third = take();
  EXPECT_EQ(builds_, 3);
}

TEST_F(CudaTrainerPool, BuildsAgainForTrainersThatWereGivenUp) {
  std::unique_ptr<Trainer> first = take(), second = take();
  pool_->give_back(std::move(first));
  pool_->give_back(std::move(second));
  pool_->clear();
  pool_->give_back(take());
  pool_->give_back(take());
  EXPECT_EQ(builds_, 4);
  pool_->clear();
  pool_->make_one_enough();
  pool_->give_back(take());
  pool_->give_back(take());
  EXPECT_EQ(builds_, 5);
}

}  // namespace
}  // namespace hop::hopper
