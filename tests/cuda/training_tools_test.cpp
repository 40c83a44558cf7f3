// What stands between backward() and the next step, on a device: limits of gradients, loss scaling, averages of
// weights, and the optimizer that is made of tensor operations. The CPU judges several steps.
#include "nn/clip_grad.h"
#include "nn/clone.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/averaged_model.h"
#include "nn/optim/grad_scaler.h"
#include "nn/optim/lamb.h"
#include "nn/optim/sgd.h"
#include "tests/cuda/trained.h"

namespace hop::kernels::cuda {
namespace {

using namespace hop::testing;
using namespace hop::nn;

constexpr int kSteps = 3;

/// Trains a net on `device`, and gives what `train` adds and the state after it.
using Seen = std::vector<NamedTensor>;
using Train = std::function<void(Sequential& net, const std::function<Tensor()>& loss, Seen& seen)>;

Seen trained(Device device, const Train& train) {
  Sequential net(Linear(5, 4), BatchNorm1d(4), Tanh(), Linear(4, 2));
  init_parameters(net, 7);
  net.to(device);
  const Tensor x = hop::to(random_tensor({6, 5}), device), y = hop::to(random_tensor({6, 2}, DType::f32, 2), device);
  Seen seen;
  train(
      net, [&] { return hop::mse_loss(net(x), y); }, seen);
  for (const NamedTensor& entry : net.state_dict()) seen.push_back(entry);
  return seen;
}

void check(const Train& train) { expect_near(trained(Device::cuda(), train), trained(Device::cpu(), train), 2e-5); }

using CudaTrainingTools = OnDevice;

TEST_F(CudaTrainingTools, LimitsOfGradientsAreTheCpus) {
  for (const double norm_type : {1.0, 2.0, 3.0, HUGE_VAL}) {
    SCOPED_TRACE(norm_type);
    check([&](Sequential& net, const std::function<Tensor()>& loss, Seen& seen) {
      optim::SGD optimizer(net.named_parameters(), optim::SGDOptions{.lr = 0.5});
      for (int i = 0; i < kSteps; ++i) {
        optimizer.zero_grad();
        backward(loss() * 10);
        seen.push_back({"norm", clone(clip_grad_norm_(net, 0.3, norm_type))});
        optimizer.step();
      }
    });
  }
  check([&](Sequential& net, const std::function<Tensor()>& loss, Seen&) {
    optim::SGD optimizer(net.named_parameters(), optim::SGDOptions{.lr = 0.5});
    for (int i = 0; i < kSteps; ++i) {
      optimizer.zero_grad();
      backward(loss() * 10);
      clip_grad_value_(net, 0.2);
      optimizer.step();
    }
  });
}

TEST_F(CudaTrainingTools, LambIsTheCpus) {
  check([&](Sequential& net, const std::function<Tensor()>& loss, Seen&) {
    optim::LAMB optimizer(net.named_parameters(), optim::LAMBOptions{.lr = 0.05, .eps = 1e-2, .weight_decay = 0.1});
    for (int i = 0; i < kSteps; ++i) {
      optimizer.zero_grad();
      backward(loss());
      optimizer.step();
    }
  });
}

TEST_F(CudaTrainingTools, AveragesAreTheCpus) {
  for (const optim::AveragedModelOptions& options :
       {optim::AveragedModelOptions{}, {.decay = 0.7}, {.decay = 0.7, .use_buffers = true}}) {
    check([&](Sequential& net, const std::function<Tensor()>& loss, Seen& seen) {
      optim::AveragedModel average(net, options);
      optim::SGD optimizer(net.named_parameters(), optim::SGDOptions{.lr = 0.5});
      for (int i = 0; i < kSteps; ++i) {
        optimizer.zero_grad();
        backward(loss());
        optimizer.step();
        average.update_parameters(net);
      }
      for (const NamedTensor& entry : average.module().state_dict()) seen.push_back({"average", entry.tensor});
      seen.push_back({"n_averaged", average.n_averaged()});
    });
  }
}

// The third of five losses is infinite: its step is left out and the scale falls.
TEST_F(CudaTrainingTools, LossScalingIsTheCpus) {
  check([&](Sequential& net, const std::function<Tensor()>& loss, Seen& seen) {
    optim::SGD optimizer(net.named_parameters(), optim::SGDOptions{.lr = 0.5, .momentum = 0.9});
    optim::GradScaler scaler(optimizer, {.init_scale = 1024, .growth_interval = 2});
    for (int i = 0; i < 5; ++i) {
      optimizer.zero_grad();
      backward(scaler.scale(loss()) * (i == 2 ? HUGE_VAL : 1.0));
      if (i % 2 == 0) {
        scaler.unscale_();
        clip_grad_norm_(net, 0.5);
      }
      scaler.step();
      scaler.update();
      seen.push_back({"scale", hop::clone(scaler.scale_tensor())});
    }
    EXPECT_EQ(scaler.get_scale(), 2048);  // 1024 -> 2048 -> 1024 -> 2048
  });
}

}  // namespace
}  // namespace hop::kernels::cuda
