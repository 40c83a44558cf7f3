// The places of a worker on a device: two per architecture where they fit, one where they do not. That a place is built
// shows in how often the application's builder is called.
#include "hopper/detail/slots.h"

#include "base/error.h"
#include "nn/layers.h"
#include "tests/cuda/hopper/toy.h"

namespace hop::hopper {
namespace {

class CudaSlots : public testing::Toy {
 protected:
  CudaSlots() {
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
    slots_.emplace(experiment_, *data_, Device::cuda());
  }
  std::unique_ptr<Trainer> take() { return slots_->take(ModelId(0), config()); }
  std::unique_ptr<Trainer> take_early() { return slots_->take_early(ModelId(0), config()); }

  Experiment experiment_ = perceptron();
  int builds_ = 0, fails_at_ = -1;
  std::optional<data::Dataset> data_;
  std::optional<Slots> slots_;
};

TEST_F(CudaSlots, BuildsASecondPlaceOfAnArchitectureAndNoThird) {
  slots_->give_back(take());
  EXPECT_EQ(builds_, 1);
  slots_->give_back(take());
  EXPECT_EQ(builds_, 2) << "while one trains, a state arrives in the other";
  for (int unit = 0; unit < 5; ++unit) slots_->give_back(take());
  EXPECT_EQ(builds_, 2);
}

TEST_F(CudaSlots, GivesEarlyOnlyWhatIsFree) {
  EXPECT_EQ(take_early(), nullptr);
  EXPECT_EQ(builds_, 0) << "building waits for the device";
  std::unique_ptr<Trainer> trainer = take();
  EXPECT_EQ(take_early(), nullptr);
  const Trainer* place = trainer.get();
  slots_->give_back(std::move(trainer));
  EXPECT_EQ(take_early().get(), place);
}

TEST_F(CudaSlots, TakesTheFreePlaceWhereASecondOneDoesNotFitAndRemembersIt) {
  fails_at_ = 2;
  std::unique_ptr<Trainer> trainer = take();
  const Trainer* place = trainer.get();
  slots_->give_back(std::move(trainer));
  for (int unit = 0; unit < 5; ++unit) {
    trainer = take();
    EXPECT_EQ(trainer.get(), place);
    slots_->give_back(std::move(trainer));
    EXPECT_EQ(take_early(), nullptr) << "the only place is for the unit that comes first";
  }
  EXPECT_EQ(builds_, 2) << "one try, and no other per unit";
}

TEST_F(CudaSlots, TriesOnceMoreWhereNoPlaceIsFree) {
  fails_at_ = 1;
  EXPECT_NE(take(), nullptr);
  EXPECT_EQ(builds_, 2);
}

TEST_F(CudaSlots, BuildsAgainForAPlaceThatWasForgotten) {
  std::unique_ptr<Trainer> first = take(), second = take();
  slots_->forget(std::move(second));
  slots_->give_back(std::move(first));
  std::unique_ptr<Trainer> third = take();
  EXPECT_EQ(builds_, 3);
}

TEST_F(CudaSlots, BuildsAgainForPlacesThatWereGivenUp) {
  std::unique_ptr<Trainer> first = take(), second = take();
  slots_->give_back(std::move(first));
  slots_->give_back(std::move(second));
  slots_->clear();
  slots_->give_back(take());
  slots_->give_back(take());
  EXPECT_EQ(builds_, 4);
  slots_->clear();
  slots_->make_one_enough();
  slots_->give_back(take());
  slots_->give_back(take());
  EXPECT_EQ(builds_, 5);
}

}  // namespace
}  // namespace hop::hopper
