// Cross-entropy in a training step on a device: its gradient is computed with the loss. The judges are the bits of the
// two separate kernels, the number of launches, and the CPU's values for the options that no kernel fuses.
#include "autograd/loss.h"

#include "autograd/checkpoint.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/softmax.h"
#include "nn/loss.h"
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

TEST_F(CudaLoss, GradientIsTheSameThroughACheckpoint) {
  backward(checkpoint([&](const Tensor& x) { return hop::cross_entropy(x, labels_); }, x_));
  EXPECT_TRUE(same_bits(gradient(), expected()));
}

TEST_F(CudaLoss, GradientIsScaledByTheGradientOfTheLoss) {
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

// The second pass adds to the gradient of the first, which must be a tensor of its own.
TEST_F(CudaLoss, AKeptGraphGivesTheSameGradientTwice) {
  const Tensor loss = hop::cross_entropy(x_, labels_);
  backward(loss, {.retain_graph = true});
  backward(loss);
  EXPECT_TRUE(same_bits(gradient(), expected(2)));
}

// Logits may be written in place after the loss, as on the CPU. Only a gradient's own gradient needs them.
TEST_F(CudaLoss, GradientDoesNotReadTheLogitsAgain) {
  const Tensor logits = x_ * 2, loss = hop::cross_entropy(logits, labels_);
  hop::mul_(logits.detach(), 0);
  EXPECT_THROW(grad({loss}, {logits}, {.create_graph = true}), AutogradError);
  const Tensor of_logits = grad({loss}, {logits})[0];
  const Tensor twice = hop::mul(x_.detach(), 2);
  const Tensor separate =
      cross_entropy_grad(on_device(full({}, 1.0)), kernels::cross_entropy(twice, labels_).log_probabilities, labels_);
  EXPECT_TRUE(same_bits(on_host(of_logits), on_host(separate)));
}

// The loss of few rows with its gradient, and the 1 at which the pass begins.
TEST_F(CudaLoss, ATrainingStepOfFewRowsHasTwoLaunches) {
  const Recording step = capture([&] { backward(hop::cross_entropy(x_, labels_)); }, Device::cuda());
  EXPECT_EQ(step.size(), 2U);
}

TEST_F(CudaLoss, ACapturedStepHasTheBitsOfAnEagerOne) {
  Tensor loss;
  const auto work = [&] {
    x_.zero_grad();
    loss = hop::cross_entropy(x_, labels_);
    backward(loss);
    loss = loss.detach();
  };
  work();  // so that the gradient is there before the capture
  const Recording step = capture(work, Device::cuda());
  for (const std::uint64_t seed : {2U, 3U}) {
    const Tensor next = random_tensor({7, 10}, DType::f32, seed);
    backend(Device::cuda()).copy(x_.raw_data(), next.raw_data(), 7 * 10 * sizeof(float));
    step.replay();
    const Tensor replayed = gradient(), replayed_loss = on_host(loss);
    EXPECT_TRUE(same_bits(replayed, expected()));
    EXPECT_TRUE(same_bits(replayed_loss, on_host(kernels::cross_entropy(x_.detach(), labels_).loss)));
  }
}

TEST_F(CudaLoss, WithoutAGradientTheLossHasTheSameBits) {
  const Tensor recorded = on_host(hop::cross_entropy(x_, labels_).detach());
  const NoGradGuard no_grad;
  EXPECT_TRUE(same_bits(on_host(hop::cross_entropy(x_, labels_)), recorded));
}

TEST_F(CudaLoss, OfNoRowsIsNan) {
  const Tensor none = on_device(Tensor::empty({0, 10}, DType::f32));
  none.set_requires_grad(true);
  const Tensor loss = hop::cross_entropy(none, on_device(Tensor::empty({0}, DType::i64)));
  EXPECT_TRUE(std::isnan(on_host(loss.detach()).item<float>()));
  backward(loss);
  EXPECT_EQ(none.grad().shape(), (Shape{0, 10}));
}

// Weights, smoothing and an ignored class are made of operations.
TEST_F(CudaLoss, OptionsGiveTheCpusValuesAndGradients) {
  const Tensor weight = random_tensor({10}, DType::f32, 5, 0.5, 2);
  const std::vector<nn::CrossEntropyLoss> all = {{.weight = weight},
                                                 {.label_smoothing = 0.2},
                                                 {.ignore_index = 1},
                                                 {.weight = weight, .ignore_index = 7, .label_smoothing = 0.1}};
  const Tensor here = random_tensor({7, 10}, DType::f32, 1);
  here.set_requires_grad(true);
  for (std::size_t i = 0; i < all.size(); ++i) {
    nn::CrossEntropyLoss there = all[i];
    if (there.weight.defined()) there.weight = on_device(there.weight);
    const Tensor loss = there(x_, labels_), expected_loss = all[i](here, host_labels_);
    EXPECT_TRUE(near(on_host(loss.detach()), expected_loss.detach(), 1e-6)) << i;
    EXPECT_TRUE(near(on_host(grad({loss}, {x_})[0]), grad({expected_loss}, {here})[0], 1e-6)) << i;
  }
}

}  // namespace
}  // namespace hop::kernels::cuda
