// A captured step on the device: a graph that runs once when it is recorded and again on every replay.
#include <stdexcept>

#include "base/error.h"
#include "kernels/cuda/operations_internal.h"
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
    operations().matmul("matmul", on_device(a), on_device(b_), {}, y);
    return on_host(y);
  }
};

TEST_F(CudaGraph, RunsWhenItIsRecordedAndReadsItsInputsAgainInEveryReplay) {
  const Tensor a = on_device(a_), b = on_device(b_), y = Tensor::empty({5, 4}, DType::f32, Device::cuda());
  const auto plan = capture(Device::cuda(), [&] { operations().matmul("matmul", a, b, {}, y); });
  EXPECT_GE(plan->size(), 1U);
  EXPECT_TRUE(same_bits(on_host(y), eager(a_)));

  const Tensor other = random_tensor({5, 9}, DType::f32, 3);
  backend(Device::cuda()).copy(a.raw_data(), other.raw_data(), other.storage().size());
  EXPECT_TRUE(same_bits(on_host(y), eager(a_))) << "nothing runs by itself";
  plan->replay();
  EXPECT_TRUE(same_bits(on_host(y), eager(other)));
}

TEST_F(CudaGraph, NoValueCanBeReadWhileAStepIsRecorded) {
  const Tensor a = on_device(a_);
  EXPECT_THROW(capture(Device::cuda(), [&] { a.as_strided({}, {}, 0).item<float>(); }), StateError);
}

TEST_F(CudaGraph, WorkThatThrowsLeavesTheDeviceUsable) {
  const cudaStream_t before = current_stream();
  EXPECT_THROW(capture(Device::cuda(), [] { throw std::runtime_error("no"); }), std::runtime_error);
  EXPECT_EQ(current_stream(), before);
  EXPECT_FALSE(stream_is_capturing());
  const Tensor y = Tensor::empty({5, 4}, DType::f32, Device::cuda());
  const Tensor a = on_device(a_), b = on_device(b_);
  const auto plan = capture(Device::cuda(), [&] { operations().matmul("matmul", a, b, {}, y); });
  EXPECT_TRUE(same_bits(on_host(y), eager(a_)));
}

}  // namespace
}  // namespace hop::kernels::cuda
