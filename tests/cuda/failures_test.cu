// Failures that the executor can play: a device that is lost, and one that is full.
#include "kernels/capture.h"
#include "kernels/copy_operations.h"
#include "kernels/cuda/device_internal.h"
#include "tensor/allocator.h"
#include "tests/cuda/support.h"

namespace hop::kernels::cuda {
namespace {

constexpr std::size_t kBig = 3 << 20;

/// Sets the executor's options for a scope.
class OptionsGuard {
 public:
  OptionsGuard() : before_(simt::options()) {}
  ~OptionsGuard() { simt::options() = before_; }
  OptionsGuard(const OptionsGuard&) = delete;
  OptionsGuard& operator=(const OptionsGuard&) = delete;

 private:
  simt::Options before_;
};

template <class F>
CudaError cuda_error_of(const F& f) {
  try {
    f();
  } catch (const CudaError& error) {
    return error;
  }
  throw std::logic_error("no CudaError was thrown");
}

class CudaLostDevice : public OnDevice {
 protected:
  void lose() { simt::options().lost = cudaErrorIllegalAddress; }
  OptionsGuard guard_;
};

TEST_F(CudaLostDevice, IsNoLackOfMemory) {
  memory::empty_cache(Device::cuda());
  lose();
  EXPECT_TRUE(cuda_error_of([] { Storage(kBig, Device::cuda()); }).sticky);
  Slabs slabs;
  EXPECT_TRUE(cuda_error_of([&] { slabs.allocate(64); }).sticky);
  EXPECT_TRUE(cuda_error_of([] { backend(Device::cuda()).host_buffer(64); }).sticky);
  EXPECT_TRUE(cuda_error_of([] { PinnedBuffer(64); }).sticky);
}

TEST_F(CudaLostDevice, IsWhatAFailedCallOfALibraryIsCalled) {
  EXPECT_NO_THROW(expect_live_device());
  lose();
  EXPECT_TRUE(cuda_error_of([] { expect_live_device(); }).sticky);
}

TEST_F(CudaLostDevice, IsPassedOverWhereFaultsAreForgotten) {
  lose();
  EXPECT_NO_THROW(backend(Device::cuda()).discard_faults());
}

// A failure that nobody was told of would be taken for the next launch's.
TEST_F(CudaLostDevice, LeavesNoErrorBehindWhereMemoryIsGivenBack) {
  void* data = backend(Device::cuda()).allocate(kBig);
  lose();
  backend(Device::cuda()).free(data, kBig);
  EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess);
  simt::options().lost = cudaSuccess;
  backend(Device::cuda()).free(data, kBig);
}

class CudaFullDevice : public OnDevice {
 protected:
  void SetUp() override {
    OnDevice::SetUp();
    memory::empty_cache(Device::cuda());
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    simt::options().device_memory = total - free + 3 * kBig;
  }
  void TearDown() override { memory::empty_cache(Device::cuda()); }
  OptionsGuard guard_;
};

TEST_F(CudaFullDevice, GetsBackWhatIsCachedBeforeAnyoneIsRefused) {
  const Storage live(kBig, Device::cuda());
  { const Storage dead(2 * kBig, Device::cuda()); }
  EXPECT_EQ(memory::cached(Device::cuda()), 2 * kBig);
  const Storage fits(kBig, Device::cuda());  // of another size: only without the cached block
  EXPECT_EQ(memory::cached(Device::cuda()), 0U);
  const std::size_t active = memory::active(Device::cuda());
  EXPECT_THROW(Storage(2 * kBig, Device::cuda()), MemoryError);
  EXPECT_EQ(memory::active(Device::cuda()), active);
  const Storage last(kBig, Device::cuda());
}

TEST_F(CudaFullDevice, GetsBackWhatIsCachedWhileAStepIsRecorded) {
  { const Storage dead(3 * kBig, Device::cuda()); }
  Tensor y;
  const Recording recording = hop::capture(
      [&] {
        y = Tensor::empty({static_cast<std::int64_t>(kBig / 4)}, DType::f32, Device::cuda());
        CopyOperations::cuda.fill(y, Scalar(2.0));
      },
      Device::cuda());
  EXPECT_EQ(memory::cached(Device::cuda()), 0U);
  EXPECT_EQ(y.as_strided({}, {}, 7).item<float>(), 2);
}

TEST(CudaOldCard, IsRefusedWithTheReason) {
  const OptionsGuard guard;
  for (const int fit : {80, 86, 90, 121}) {
    simt::options().compute_capability = fit;
    EXPECT_EQ(why_unfit(0), "") << fit;
  }
  simt::options().compute_capability = 75;
  EXPECT_EQ(why_unfit(0), "card 0 has compute capability 7.5, the kernels need 8.0");
}

TEST(CudaPinnedMemory, ThatTheHostLacksIsAMemoryError) {
  constexpr std::size_t kTooMuch = std::size_t{1} << 50;
  EXPECT_THROW(allocate_pinned(kTooMuch, cudaHostAllocPortable), MemoryError);
  EXPECT_THROW(PinnedBuffer{kTooMuch}, MemoryError);
  EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess);
}

}  // namespace
}  // namespace hop::kernels::cuda
