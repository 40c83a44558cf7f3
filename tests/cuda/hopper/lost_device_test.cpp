// A device that is lost in the middle of a run, which only the executor can play.
#include "kernels/cuda/runtime.h"

#if defined(HOP_SIMT)
#include <gmock/gmock.h>

#include "base/error.h"
#include "hopper/run.h"
#include "kernels/copy.h"
#include "nn/layers.h"
#include "nn/optim/sgd.h"
#include "tests/cuda/hopper/toy.h"

namespace hop::hopper {
namespace {

using ::testing::HasSubstr;

class CudaLoss : public testing::Toy {
 protected:
  void TearDown() override { find(); }
  static void lose() { simt::options().lost = cudaErrorIllegalAddress; }
  static void find() { simt::options().lost = cudaSuccess; }
};

// Its device is lost in a training step.
class Doomed : public nn::Module {
 public:
  explicit Doomed(std::shared_ptr<int> steps_left)
      : linear_(register_module("linear", nn::Linear(64, 3))), steps_left_(std::move(steps_left)) {}
  Tensor forward(const Tensor& x) override {
    if (is_training() && --*steps_left_ == 0) simt::options().lost = cudaErrorIllegalAddress;
    return linear_(nn::Flatten()(x));
  }

 private:
  nn::Linear linear_;
  std::shared_ptr<int> steps_left_;
};

TEST_F(CudaLoss, EndsARunOfThreadsThatIsResumedWhenTheDeviceIsBack) {
  Experiment e = perceptron();
  e.run.device = "cuda";
  e.run.workers = 1;
  e.model.layers.clear();
  e.search.space[0].second = Choices{0.01};
  const auto steps_left = std::make_shared<int>(-1);
  e.model.builder = [steps_left](const Config&, const ModelInput&) { return std::make_shared<Doomed>(steps_left); };
  const std::string expected = run(e).results.models[0].state_sha256;
  *steps_left = 8;  // in the third of four units
  try {
    run(e, {.run_directory = *folder_ / "lost"});
    FAIL() << "the run went on";
  } catch (const RunError& error) {
    EXPECT_THAT(error.what(), HasSubstr("cuda:0 is lost to this process; the run can be resumed in a new one"));
  }
  find();
  const Results before = inspect(*folder_ / "lost");
  EXPECT_EQ(before.models[0].status, "interrupted") << "no blame on the model";
  const Results results = resume(*folder_ / "lost", {}, e.model.builder).results;
  EXPECT_EQ(results.models[0].status, "finished");
  EXPECT_EQ(results.models[0].state_sha256, expected);
}

TEST_F(CudaLoss, LeavesTheBytesOfACopyThatMayHaveBegunWithTheBlock) {
  nn::Sequential net(nn::Linear(3, 5));
  net.to(Device::cuda());
  auto block = std::make_unique<nn::StateBlock>(net);
  nn::StateBytes bytes = block->make_bytes();
  const std::weak_ptr<AlignedBuffer> watched = bytes;
  lose();
  EXPECT_THROW(block->load(std::move(bytes)), CudaError);
  EXPECT_FALSE(watched.expired());
  block.reset();
  EXPECT_TRUE(watched.expired());
}

TEST_F(CudaLoss, KeepsTheLearningRateThatTheDeviceHas) {
  nn::Sequential net(nn::Linear(3, 5));
  net.to(Device::cuda());
  optim::SGD sgd(net.named_parameters(), {.lr = 0.1});
  lose();
  EXPECT_THROW(sgd.set_lr(0.2), CudaError);
  EXPECT_EQ(sgd.lr(), 0.1);
  find();
  sgd.set_lr(0.2);
  EXPECT_EQ(kernels::to_device(sgd.lr_tensor(), Device::cpu()).item<double>(), 0.2);
}

}  // namespace
}  // namespace hop::hopper
#endif
