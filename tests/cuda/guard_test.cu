// The executor finds a kernel's store next to a tensor, because each tensor's block has guard bytes of its own.
#include "kernels/simt/error.h"
#include "tests/cuda/support.h"

namespace hop::kernels::cuda {
namespace {

using CudaGuard = OnDevice;

__global__ void store_at(float* x, int i) { x[i] = 1; }

TEST_F(CudaGuard, FindsAStoreNextToATensor) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer ends the program there";
#endif
  const Tensor before = Tensor::empty({16}, DType::f32, Device::cuda());
  const Tensor x = Tensor::empty({16}, DType::f32, Device::cuda());  // 64 bytes: the allocator adds nothing
  const Tensor after = Tensor::empty({16}, DType::f32, Device::cuda());
  const auto store = [&](int i) {
    launch(store_at, dim3(1), dim3(1), 0, current_stream(), x.data<float>(), i);
    backend(Device::cuda()).synchronize();
  };
  EXPECT_NO_THROW(store(15));
  EXPECT_THROW(store(16), simt::OverrunError);
  EXPECT_THROW(store(-1), simt::OverrunError);
}

}  // namespace
}  // namespace hop::kernels::cuda
