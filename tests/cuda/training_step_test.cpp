// The launches of a whole training step. Each costs about a microsecond, which is much of a small model's step.
#include <cstdint>

#include "autograd/graph.h"
#include "autograd/loss.h"
#include "kernels/capture.h"
#include "nn/layers.h"
#include "nn/optim/adam.h"
#include "tests/cuda/results.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::random_tensor;
using CudaTrainingStep = OnDevice;

// With our own kernels, because the launches of a library are its own matter.
TEST_F(CudaTrainingStep, OfAPerceptronLaunchesAsFewKernelsAsWeKnow) {
  const MathGuard own({.own_kernels = true});
  nn::Sequential net(nn::Linear(24, 37), nn::ReLU(), nn::Linear(37, 20), nn::ReLU(), nn::Linear(20, 10));
  net.to(Device::cuda());
  optim::Adam adam(net.named_parameters());
  const Tensor x = on_device(random_tensor({32, 24})), labels = on_device(random_tensor({32}, DType::i64, 2, 0, 10));
  const auto work = [&] {
    adam.zero_grad();
    backward(hop::cross_entropy(net(x), labels));
    adam.step();
  };
  work();  // so that the gradients and the slots are there before the capture
  const Recording step = capture(work, Device::cuda());
  constexpr std::size_t kForward = 3 + 2,  // a product with its bias; relu with its mask
      kLoss = 1 + 1,                       // the loss with its gradients; the 1 at which the pass begins
      kBackward = 3 + 3 + 2 * 2,           // gradients of weights, of biases; of inputs, with a mask each
      kUpdate = 2;                         // the constants of the step; all parameters
  EXPECT_EQ(step.size(), kForward + kLoss + kBackward + kUpdate);
}

}  // namespace
}  // namespace hop::kernels::cuda
