// A captured step on the device: a graph that runs once when it is recorded and again on every replay.
#include <stdexcept>

#include "autograd/elementwise.h"
#include "autograd/graph.h"
#include "autograd/reduce.h"
#include "base/error.h"
#include "kernels/capture.h"
#include "kernels/capture_operations.h"
#include "kernels/matmul_operations.h"
#include "tests/cuda/support.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::random_tensor;
using hop::testing::same_bits;

class CudaGraph : public OnDevice {
 protected:
  Tensor a_ = random_tensor({5, 9}, DType::f32, 1), b_ = random_tensor({9, 4}, DType::f32, 2);
  Tensor eager(const Tensor& a) const {
    const Tensor y = Tensor::empty({5, 4}, DType::f32, Device::cuda());
    MatmulOperations::cuda.matmul("matmul", on_device(a), on_device(b_), {}, y);
    return on_host(y);
  }
};

TEST_F(CudaGraph, RunsWhenItIsRecordedAndReadsItsInputsAgainInEveryReplay) {
  const Tensor a = on_device(a_), b = on_device(b_), y = Tensor::empty({5, 4}, DType::f32, Device::cuda());
  const auto recording =
      CaptureOperations::cuda.capture(Device::cuda(), [&] { MatmulOperations::cuda.matmul("matmul", a, b, {}, y); });
  EXPECT_GE(recording->size(), 1U);
  EXPECT_TRUE(same_bits(on_host(y), eager(a_)));

  const Tensor other = random_tensor({5, 9}, DType::f32, 3);
  backend(Device::cuda()).copy(a.raw_data(), other.raw_data(), other.storage().size());
  EXPECT_TRUE(same_bits(on_host(y), eager(a_))) << "nothing runs by itself";
  recording->replay();
  EXPECT_TRUE(same_bits(on_host(y), eager(other)));
}

TEST_F(CudaGraph, NoValueCanBeReadWhileAStepIsRecorded) {
  const Tensor a = on_device(a_);
  EXPECT_THROW(CaptureOperations::cuda.capture(Device::cuda(), [&] { a.as_strided({}, {}, 0).item<float>(); }),
               StateError);
}

TEST_F(CudaGraph, WorkThatThrowsLeavesTheDeviceUsable) {
  const cudaStream_t before = current_stream();
  EXPECT_THROW(CaptureOperations::cuda.capture(Device::cuda(), [] { throw std::runtime_error("no"); }),
               std::runtime_error);
  EXPECT_EQ(current_stream(), before);
  EXPECT_FALSE(stream_is_capturing());
  const Tensor y = Tensor::empty({5, 4}, DType::f32, Device::cuda());
  const Tensor a = on_device(a_), b = on_device(b_);
  const auto recording =
      CaptureOperations::cuda.capture(Device::cuda(), [&] { MatmulOperations::cuda.matmul("matmul", a, b, {}, y); });
  EXPECT_TRUE(same_bits(on_host(y), eager(a_)));
}

// The gradient counts as zero when the step is recorded, and is cleared then: once, on either device.
TEST(CudaGraphGradient, ThatWasClearedBeforeTheStepGrowsWithEveryReplay) {
  const auto gradient_on = [](Device device) {
    const auto there = [&](const Tensor& x) { return device.is_cpu() ? x : on_device(x); };
    const Tensor w = there(random_tensor({4, 3}, DType::f32, 4)), x = there(random_tensor({4, 3}, DType::f32, 5));
    w.set_requires_grad(true);
    backward(hop::sum(hop::mul(w, x)));
    w.zero_grad();
    CapturedFunction step(
        [&](std::span<const Tensor> in) {
          const Tensor loss = hop::sum(hop::mul(w, in[0]));
          backward(loss);
          return std::vector{loss.detach()};
        },
        {.warm_up = 0});  // on the device of its arguments
    std::vector<Tensor> after;
    for (int i = 0; i < 3; ++i) {
      step({x});
      after.push_back(device.is_cpu() ? hop::add(w.grad(), w.grad()) : on_host(hop::add(w.grad(), w.grad())));
    }
    return after;
  };
  if (device_count() == 0) GTEST_SKIP() << "no CUDA device: " << why_no_device();
  const std::vector<Tensor> here = gradient_on(Device::cpu()), there = gradient_on(Device::cuda());
  for (std::size_t i = 0; i < here.size(); ++i) EXPECT_TRUE(same_bits(there[i], here[i])) << "call " << i;
  const Tensor x = random_tensor({4, 3}, DType::f32, 5);
  EXPECT_TRUE(same_bits(there[1], hop::add(hop::add(x, x), hop::add(x, x)))) << "two calls: 2 x";
}

}  // namespace
}  // namespace hop::kernels::cuda
