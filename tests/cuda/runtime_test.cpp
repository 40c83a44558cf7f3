// The runtime layer: errors, streams, events, pinned memory, the backend.
#include "kernels/cuda/runtime.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

#include "base/error.h"
#include "kernels/capture_operations.h"
#include "kernels/copy_operations.h"
#include "kernels/cuda/device_internal.h"
#include "tensor/allocator.h"
#include "tensor/tensor.h"
#include "tests/cuda/support.h"

namespace hop::kernels::cuda {
namespace {

using testing::HasSubstr;

using CudaRuntime = OnDevice;
using CudaBackend = OnDevice;
using CudaSlabs = OnDevice;

// Catches what `f` throws as an E.
template <class E, class F>
E caught(const F& f) {
  try {
    f();
  } catch (const E& e) {
    return e;
  }
  throw std::logic_error("nothing was thrown");
}

TEST(CudaErrors, NameTheCallTheCodeAndTheRemedy) {
  const auto error = caught<CudaError>([] { check(cudaErrorMemoryAllocation, "cudaMalloc"); });
  EXPECT_EQ(error.call, "cudaMalloc");
  EXPECT_EQ(error.code, 2);
  EXPECT_EQ(error.name, "cudaErrorMemoryAllocation");
  EXPECT_FALSE(error.sticky);
  EXPECT_THAT(error.what(), HasSubstr("[cudaMalloc] expected success, got cudaErrorMemoryAllocation (2: "));
}

TEST(CudaErrors, SayWhenTheProcessMustRestart) {
  const auto error = caught<CudaError>([] { check(cudaErrorIllegalAddress, "cudaStreamSynchronize"); });
  EXPECT_TRUE(error.sticky);
  EXPECT_THAT(error.what(), HasSubstr("restart"));
}

// 220 NVLink, 226 a contained memory error, 810 a client of MPS that ended, 911 a device next to this one: the toolkits
// that name them tell to end the process.
TEST(CudaErrors, KnowEveryFailureOfTheHardwareAsOneThatTakesTheDevice) {
  for (const int code : {214, 220, 226, 700, 714, 719, 810, 911, 999}) {
    EXPECT_TRUE(caught<CudaError>([&] { check(static_cast<cudaError_t>(code), "cudaStreamSynchronize"); }).sticky)
        << code;
  }
  for (const int code : {1, 2, 98, 400, 600, 701, 901}) {
    EXPECT_FALSE(caught<CudaError>([&] { check(static_cast<cudaError_t>(code), "cudaMalloc"); }).sticky) << code;
  }
}

TEST(CudaErrors, SuccessThrowsNothing) { EXPECT_NO_THROW(check(cudaSuccess, "cudaMalloc")); }

TEST(CudaDevices, AMissingDeviceIsATypedErrorWithItsReason) {
  const auto error = caught<DeviceError>([] { use_device(device_count()); });
  EXPECT_THAT(error.what(), HasSubstr("got cuda:" + std::to_string(device_count())));
  if (device_count() == 0) {
    EXPECT_FALSE(why_no_device().empty());
    EXPECT_THAT(error.what(), HasSubstr(why_no_device()));
  }
  EXPECT_THROW(backend(Device::cuda(static_cast<std::int16_t>(device_count()))), DeviceError);
  EXPECT_THROW(use_device(-1), DeviceError);
}

TEST_F(CudaRuntime, AStreamGuardChangesTheCurrentStreamUntilItEnds) {
  const cudaStream_t compute = current_stream();
  const Stream mine;
  {
    const StreamGuard guard(mine);
    EXPECT_EQ(current_stream(), mine.get());
    const Stream inner;
    {
      const StreamGuard nested(inner);
      EXPECT_EQ(current_stream(), inner.get());
    }
    EXPECT_EQ(current_stream(), mine.get());
  }
  EXPECT_EQ(current_stream(), compute);
  EXPECT_NE(to_device_stream().get(), to_host_stream().get());
  EXPECT_NE(to_device_stream().get(), compute);
}

TEST_F(CudaRuntime, AnEventIsDoneWhenTheWorkBeforeItIs) {
  const Event start(Event::Timing::on), stop(Event::Timing::on);
  start.record(current_stream());
  const Tensor x = Tensor::empty({1 << 16}, DType::f32, Device::cuda());
  check(cudaMemsetAsync(x.raw_data(), 0, x.storage().size(), current_stream()), "cudaMemsetAsync");
  stop.record(current_stream());
  stop.synchronize();
  EXPECT_TRUE(stop.is_done());
  EXPECT_GE(milliseconds_between(start, stop), 0.0F);
}

TEST_F(CudaRuntime, PinnedMemoryTravelsBothWaysOnStreamsOfItsOwn) {
  constexpr std::size_t kSize = 100'003;
  PinnedBuffer out(kSize), back(kSize);
  for (std::size_t i = 0; i < kSize; ++i) out.data()[i] = static_cast<std::byte>(i * 31 % 251);
  const Storage on_device(kSize, Device::cuda());

  const Event arrived;
  check(cudaMemcpyAsync(on_device.data(), out.data(), kSize, cudaMemcpyDefault, to_device_stream().get()), "copy");
  arrived.record(to_device_stream().get());
  to_host_stream().wait(arrived);
  check(cudaMemcpyAsync(back.data(), on_device.data(), kSize, cudaMemcpyDefault, to_host_stream().get()), "copy");
  to_host_stream().synchronize();
  EXPECT_EQ(std::memcmp(out.data(), back.data(), kSize), 0);

  PinnedBuffer moved = std::move(out);
  EXPECT_EQ(moved.size(), kSize);
  EXPECT_EQ(out.data(), nullptr);
}

TEST_F(CudaBackend, CopiesInEveryDirection) {
  Backend& device = backend(Device::cuda());
  std::vector<std::int32_t> values(1023), back(1023);
  std::iota(values.begin(), values.end(), -7);
  const std::size_t bytes = values.size() * sizeof(values[0]);
  const Storage a(bytes, Device::cuda()), b(bytes, Device::cuda());
  device.copy(a.data(), values.data(), bytes);
  device.copy(b.data(), a.data(), bytes);
  device.copy(back.data(), b.data(), bytes);
  EXPECT_EQ(back, values);
}

TEST_F(CudaBackend, TensorsComeFromTheHostAndGoBack) {
  const std::vector<float> values = {1.5F, -2, 3};
  const Tensor x = Tensor::from<float>(values, {3}, Device::cuda());
  EXPECT_EQ(x.device(), Device::cuda());
  EXPECT_EQ(x.as_strided({}, {}, 1).item<float>(), -2);
}

TEST_F(CudaBackend, BlocksStartOn256Bytes) {
  for (const std::size_t size : {1, 65, 4097, 300'001, 5'000'000}) {
    const Storage block(size, Device::cuda());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block.data()) % 256, 0U) << size;
  }
}

TEST_F(CudaBackend, TooMuchMemoryIsAMemoryError) {
  EXPECT_THROW(Storage(std::size_t{1} << 50, Device::cuda()), MemoryError);
}

TEST_F(CudaBackend, WaitsForTheDeviceWhileAnotherThreadRecords) {
  const Tensor x = Tensor::empty({3}, DType::f32, Device::cuda());
  const auto recording = CaptureOperations::cuda.capture(Device::cuda(), [&] {
    std::jthread([] { EXPECT_NO_THROW(backend(Device::cuda()).synchronize()); }).join();
    CopyOperations::cuda.fill(x, Scalar(2.0));
  });
  EXPECT_EQ(recording->size(), 1U);
  EXPECT_THROW(CaptureOperations::cuda.capture(Device::cuda(), [] { backend(Device::cuda()).synchronize(); }),
               StateError);
}

TEST_F(CudaBackend, CopiesBesideTheComputationInTheOrderOfTheirFences) {
  Backend& device = backend(Device::cuda());
  constexpr std::size_t kSize = 5003;
  AlignedBuffer out = device.host_buffer(kSize), back = device.host_buffer(kSize);
  EXPECT_EQ(back.data()[kSize - 1], std::byte{0});
  for (std::size_t i = 0; i < kSize; ++i) out.data()[i] = static_cast<std::byte>(i * 7 % 253);
  const Storage a(kSize, Device::cuda()), b(kSize, Device::cuda());

  const Fence arrived = device.upload(a.data(), out.data(), kSize, device.fence());
  device.order_behind(arrived);
  check(cudaMemcpyAsync(b.data(), a.data(), kSize, cudaMemcpyDefault, current_stream()), "cudaMemcpyAsync");
  const Fence left = device.download(back.data(), b.data(), kSize, device.fence());
  left.wait();
  EXPECT_EQ(std::memcmp(out.data(), back.data(), kSize), 0);
}

TEST_F(CudaBackend, OverwritesWhatIsStillReadNoSoonerThanItsFenceSays) {
  Backend& device = backend(Device::cuda());
  constexpr std::size_t kSize = 5003;
  AlignedBuffer first = device.host_buffer(kSize), second = device.host_buffer(kSize), back = device.host_buffer(kSize);
  std::fill_n(first.data(), kSize, std::byte{1});
  std::fill_n(second.data(), kSize, std::byte{2});
  const Storage a(kSize, Device::cuda()), b(kSize, Device::cuda());

  device.order_behind(device.upload(a.data(), first.data(), kSize, device.fence()));
  check(cudaMemcpyAsync(b.data(), a.data(), kSize, cudaMemcpyDefault, current_stream()), "cudaMemcpyAsync");
  const Fence replaced = device.upload(a.data(), second.data(), kSize, device.fence());
  device.download(back.data(), b.data(), kSize, device.fence()).wait();
  EXPECT_EQ(std::memcmp(back.data(), first.data(), kSize), 0);
  replaced.wait();
}

TEST_F(CudaBackend, KnowsWhatIsFreeAndAsksForNoDeviceThatIsNotThere) {
  EXPECT_GT(backend(Device::cuda()).free_bytes(), 0U);
  EXPECT_EQ(hop::device_count(DeviceType::cuda), device_count());
  EXPECT_EQ(backend(Device::cuda()).host_buffer(0).size(), 0U);
}

TEST_F(CudaSlabs, AreFilledInOrderAndGoBackWhole) {
  Slabs slabs;
  constexpr std::size_t kBlock = Slabs::kSlab / 8;
  std::vector<std::byte*> blocks;
  for (int i = 0; i < 9; ++i) blocks.push_back(static_cast<std::byte*>(slabs.allocate(kBlock)));
  EXPECT_EQ(blocks[1] - blocks[0], static_cast<std::ptrdiff_t>(kBlock));
  EXPECT_EQ(slabs.slab_count(), 2U);  // eight in the first
  for (int i = 0; i < 7; ++i) EXPECT_TRUE(slabs.free(blocks[static_cast<std::size_t>(i)]));
  EXPECT_EQ(slabs.slab_count(), 2U);
  EXPECT_TRUE(slabs.free(blocks[7]));
  EXPECT_EQ(slabs.slab_count(), 1U);
  EXPECT_TRUE(slabs.free(blocks[8]));
  EXPECT_EQ(slabs.slab_count(), 0U);
}

TEST_F(CudaSlabs, KnowWhatIsNotTheirs) {
  Slabs slabs;
  int elsewhere = 0;
  EXPECT_FALSE(slabs.free(&elsewhere));
  void* block = slabs.allocate(1);
  EXPECT_FALSE(slabs.free(static_cast<std::byte*>(block) + Slabs::kSlab));
  EXPECT_TRUE(slabs.free(block));
}

}  // namespace
}  // namespace hop::kernels::cuda
