// Cross-entropy in a training step on a device: the gradient is computed with the loss. The judges are the bits of the
// two kernels, the CPU's second derivatives, and the number of launches.
#include "autograd/loss.h"

#include <gmock/gmock.h>

#include "autograd/graph.h"
#include "autograd/ops.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/softmax.h"
#include "tests/cuda/results.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::near;
using hop::testing::random_tensor;
using hop::testing::same_bits;

class CudaLoss : public OnDevice {
 protected:
  void SetUp() override {
    OnDevice::SetUp();
    if (IsSkipped()) return;
    x_ = on_device(random_tensor({7, 10}, DType::f32, 1));
    x_.set_requires_grad(true);
    labels_ = on_device(host_labels_);
  }
  /// The gradient of `scale` times the loss, from the separate kernels.
  Tensor expected(double scale = 1) const {
    const Tensor g = on_device(full({}, scale));
    return on_host(cross_entropy_grad(g, kernels::cross_entropy(x_.detach(), labels_).log_probabilities, labels_));
  }
  Tensor gradient() const { return on_host(x_.grad().detach()); }

  Tensor x_, labels_;
  Tensor host_labels_ = Tensor::from<std::int64_t>({3, 0, 9, 1, 1, 7, 4}, {7});
};

TEST_F(CudaLoss, GradientHasTheBitsOfTheSeparateKernels) {
  backward(hop::cross_entropy(x_, labels_));
  EXPECT_TRUE(same_bits(gradient(), expected()));
}

TEST_F(CudaLoss, GradientIsTheSameIfTheOneIsGiven) {
  backward(hop::cross_entropy(x_, labels_), {.gradient = on_device(full({}, 1.0))});
  EXPECT_TRUE(same_bits(gradient(), expected()));
}

TEST_F(CudaLoss, GradientIsScaledByWhatComesBehindTheLoss) {
  backward(hop::cross_entropy(x_, labels_) * 0.3);
  EXPECT_TRUE(near(gradient(), expected(0.3), 1e-6));
}

TEST_F(CudaLoss, GradientOfASumOfLossesIsTheirSum) {
  backward(hop::cross_entropy(x_, labels_) + hop::cross_entropy(x_, labels_));
  EXPECT_TRUE(near(gradient(), expected(2), 1e-6));
}

// A hook that writes into the 1 makes it another number.
TEST_F(CudaLoss, GradientFollowsAHookThatWritesInPlace) {
  const Tensor loss = hop::cross_entropy(x_, labels_);
  register_hook(loss, [](const Tensor& g) {
    hop::mul_(g, 4);
    return Tensor();
  });
  backward(loss);
  EXPECT_TRUE(same_bits(gradient(), expected(4)));  // a power of two: no rounding
}

TEST_F(CudaLoss, AKeptGraphGivesTheSameGradientTwice) {
  const Tensor loss = hop::cross_entropy(x_, labels_);
  backward(loss, {.retain_graph = true});
  hop::fill_(x_.grad(), 0);
  backward(loss);
  EXPECT_TRUE(same_bits(gradient(), expected()));
}

TEST_F(CudaLoss, SecondDerivativesAreTheCpus) {
  const auto second = [](const Tensor& x, const Tensor& labels) {
    const Tensor first = grad({hop::cross_entropy(x, labels)}, {x}, {.create_graph = true})[0];
    return grad({hop::sum(hop::square(first))}, {x})[0];
  };
  const Tensor x = random_tensor({7, 10}, DType::f32, 1).set_requires_grad();
  EXPECT_TRUE(near(on_host(second(x_, labels_)), second(x, host_labels_), 1e-5));
}

// The loss of a row and its gradient, the mean of the losses, and the 1 at which the pass begins.
TEST_F(CudaLoss, ATrainingStepHasThreeLaunches) {
  const Recording step = capture([&] { backward(hop::cross_entropy(x_, labels_)); }, Device::cuda());
  EXPECT_EQ(step.size(), 3U);
}

TEST_F(CudaLoss, ACapturedStepHasTheBitsOfAnEagerOne) {
  Tensor loss;
  x_.zero_grad();
  const Recording step = capture(
      [&] {
        x_.zero_grad();
        loss = hop::cross_entropy(x_, labels_);
        backward(loss);
      },
      Device::cuda());
  backend(Device::cuda()).copy(x_.raw_data(), random_tensor({7, 10}, DType::f32, 2).raw_data(), 7 * 10 * sizeof(float));
  step.replay();
  EXPECT_TRUE(same_bits(gradient(), expected()));
  EXPECT_TRUE(same_bits(on_host(loss.detach()), on_host(kernels::cross_entropy(x_.detach(), labels_).loss)));
}

}  // namespace
}  // namespace hop::kernels::cuda
