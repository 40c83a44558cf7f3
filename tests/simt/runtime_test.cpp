// The runtime API on the CPU answers as CUDA's does: limits of a launch, memory, streams, events, errors.
#include "kernels/simt/runtime.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#include "tests/cuda/schedules.h"
#include "tests/simt/device_array.h"

namespace hop::kernels::cuda {
namespace {

using ::hop::testing::DeviceArray;
using ::testing::HasSubstr;

__global__ void nothing() {}
__global__ void fill(float* y, float value) { y[threadIdx.x] = value; }
// (grid, block) of the launch, and the sum of all thread and block indices
__global__ void tour(unsigned long long* sums) {
  const unsigned long long weighted = threadIdx.x + 10 * threadIdx.y + 100 * threadIdx.z + 1000 * blockIdx.x +
                                      10000 * blockIdx.y + 100000ULL * blockIdx.z;
  atomicAdd(&sums[0], weighted);
  atomicAdd(&sums[1], 1ULL);
}
__global__ void last_shared_byte(unsigned char* y, int bytes) {
  auto* const buffer = dynamic_shared<unsigned char>();
  if (threadIdx.x == 0) y[0] = buffer[bytes - 1];
}

cudaError_t launch_code(dim3 grid, dim3 block, std::size_t shared_bytes) {
  try {
    launch(nothing, grid, block, shared_bytes, nullptr);
  } catch (const CudaError& error) {
    EXPECT_THAT(error.what(), HasSubstr("[launch] expected success, got " + error.name));
    EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "the error is reported once";
    return static_cast<cudaError_t>(error.code);
  }
  return cudaSuccess;
}

// ---- Launches

TEST(SimtLaunch, VisitsEveryThreadOfEveryBlockOnce) {
  testing::for_each_schedule([] {
    const DeviceArray<unsigned long long> sums(std::vector<unsigned long long>{0, 0});
    launch(tour, dim3(3, 2, 2), dim3(5, 3, 2), 0, nullptr, sums.data());
    const unsigned long long in_block = 6 * 10 + 10 * 10 * 3 + 100 * 15;  // over the 30 threads of a block
    const unsigned long long over_blocks = 1000 * 12 + 10000 * 6 + 100000 * 6;
    EXPECT_EQ(sums.to_host(), (std::vector<unsigned long long>{12 * in_block + 30 * over_blocks, 12 * 30}));
  });
}

TEST(SimtLaunch, RefusesWhatAGpuRefuses) {
  EXPECT_EQ(launch_code(1, 1024, 0), cudaSuccess);
  EXPECT_EQ(launch_code(1, 1025, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch_code(1, dim3(32, 33), 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch_code(1, dim3(1, 1, 65), 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch_code(0, 32, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch_code(1, 0, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch_code(dim3(1, 65536), 1, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch_code(dim3(1, 1, 65536), 1, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch_code(70000, 1, 0), cudaSuccess);
  EXPECT_EQ(launch_code(1, 32, 48 * 1024), cudaSuccess);
  EXPECT_EQ(launch_code(1, 32, 48 * 1024 + 1), cudaErrorInvalidValue);
}

TEST(SimtLaunch, GivesMoreSharedMemoryToAKernelThatAsked) {
  const DeviceArray<unsigned char> y(1);
  constexpr int kMost = 99 * 1024;
  EXPECT_THROW(launch(last_shared_byte, 1, 1, kMost, nullptr, y.data(), kMost), CudaError);
  EXPECT_EQ(cudaFuncSetAttribute(last_shared_byte, cudaFuncAttributeMaxDynamicSharedMemorySize, kMost + 1),
            cudaErrorInvalidValue);
  ASSERT_EQ(cudaFuncSetAttribute(last_shared_byte, cudaFuncAttributeMaxDynamicSharedMemorySize, kMost), cudaSuccess);
  launch(last_shared_byte, 1, 1, kMost, nullptr, y.data(), kMost);
  EXPECT_EQ(y.to_host()[0], 0xFF) << "fresh shared memory is poisoned";
  static_cast<void>(cudaGetLastError());
}

TEST(SimtLaunch, RefusesAStreamThatIsNoMore) {
  cudaStream_t stream = nullptr;
  ASSERT_EQ(cudaStreamCreate(&stream), cudaSuccess);
  ASSERT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  EXPECT_THROW(launch(nothing, 1, 1, 0, stream), CudaError);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaErrorInvalidResourceHandle);
  static_cast<void>(cudaGetLastError());
}

// ---- Memory

TEST(SimtMemory, IsFreshAlignedAndNaN) {
  for (const std::size_t size : {1U, 31U, 257U}) {
    const DeviceArray<float> fresh(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(fresh.data()) % 256, 0U);
    for (const float value : fresh.to_host()) EXPECT_TRUE(std::isnan(value));
    const DeviceArray<int> whole(size);
    for (const int value : whole.to_host()) EXPECT_EQ(value, -1);
  }
}

TEST(SimtMemory, RefusesToFreeTwiceOrWhatIsNotItsOwn) {
  float* data = nullptr;
  ASSERT_EQ(cudaMalloc(&data, 100), cudaSuccess);
  EXPECT_EQ(cudaFree(data + 1), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(data), cudaSuccess);
  EXPECT_EQ(cudaFree(data), cudaErrorInvalidValue);
  float local = 0;
  EXPECT_EQ(cudaFree(&local), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(nullptr), cudaSuccess);

  void* pinned = nullptr;
  ASSERT_EQ(cudaMallocHost(&pinned, 100), cudaSuccess);
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
  EXPECT_EQ(cudaFreeHost(pinned), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST(SimtMemory, RefusesCopiesOutsideABufferOrInAnotherDirection) {
  const DeviceArray<float> y(10);
  float host[11] = {};
  EXPECT_EQ(cudaMemcpy(host, y.data(), 40, cudaMemcpyDefault), cudaSuccess);
  EXPECT_EQ(cudaMemcpy(host, y.data(), 41, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(host, y.data() + 10, 4, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(y.data() - 1, host, 8, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(y.data(), host, 40, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(host, y.data(), 40, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemset(y.data(), 0, 41), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemset(host, 0, 4), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemset(y.data() + 2, 0, 4), cudaSuccess);
  EXPECT_EQ(y.to_host()[2], 0.0F);
  EXPECT_TRUE(std::isnan(y.to_host()[1]));
  static_cast<void>(cudaGetLastError());
}

#if !defined(__SANITIZE_ADDRESS__)
TEST(SimtMemory, BlamesTheNextKernelOnlyOnceForWhatTheHostDid) {
  const DeviceArray<float> y(10);
  y.data()[10] = 1;  // host code that writes past the end
  EXPECT_THROW(launch(nothing, 1, 1, 0, nullptr), simt::OverrunError);
  EXPECT_NO_THROW(launch(nothing, 1, 1, 0, nullptr));
}

TEST(SimtMemory, FindsDamageAroundABufferThatIsFreedFirst) {
  {
    const DeviceArray<float> y(10);
    y.data()[-1] = 1;
  }
  EXPECT_THROW(launch(nothing, 1, 1, 0, nullptr), simt::OverrunError);
}
#endif

TEST(SimtMemory, EndsWhereTheDeviceEnds) {
  const std::size_t before = simt::options().device_memory;
  std::size_t free = 0, total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
  simt::options().device_memory = total - free + 1000;
  void* data = nullptr;
  EXPECT_EQ(cudaMalloc(&data, 1001), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaMalloc(&data, 1000), cudaSuccess);
  EXPECT_EQ(cudaFree(data), cudaSuccess);
  simt::options().device_memory = before;
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
}

// ---- Devices, streams, events

TEST(SimtDevice, CountsAsToldAndSaysNoDevice) {
  const simt::Options before = simt::options();
  int count = -1;
  simt::options().devices = 0;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  EXPECT_EQ(count, 0);
  simt::options().devices = 2;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT_EQ(count, 2);
  EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
  EXPECT_EQ(cudaSetDevice(2), cudaErrorInvalidDevice);
  int device = -1;
  EXPECT_EQ(cudaGetDevice(&device), cudaSuccess);
  EXPECT_EQ(device, 1);
  EXPECT_EQ(cudaSetDevice(0), cudaSuccess);
  simt::options() = before;
  EXPECT_STREQ(cudaGetErrorName(cudaGetLastError()), "cudaErrorInvalidDevice");
}

TEST(SimtStream, RunsWorkAndHostFunctionsInOrder) {
  cudaStream_t stream = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  const DeviceArray<float> y(4);
  float seen = 0;
  struct Look {
    const float* from;
    float* to;
  } look{y.data(), &seen};
  launch(fill, 1, 4, 0, stream, y.data(), 2.0F);
  ASSERT_EQ(cudaLaunchHostFunc(
                stream,
                [](void* argument) {
                  const auto& l = *static_cast<Look*>(argument);
                  *l.to = *l.from;
                },
                &look),
            cudaSuccess);
  launch(fill, 1, 4, 0, stream, y.data(), 3.0F);
  EXPECT_EQ(seen, 2.0F);
  EXPECT_EQ(cudaStreamQuery(stream), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
}

TEST(SimtEvent, MeasuresOnlyWhatWasRecordedWithTiming) {
  cudaEvent_t start = nullptr, stop = nullptr, plain = nullptr;
  ASSERT_EQ(cudaEventCreate(&start), cudaSuccess);
  ASSERT_EQ(cudaEventCreate(&stop), cudaSuccess);
  ASSERT_EQ(cudaEventCreateWithFlags(&plain, cudaEventDisableTiming), cudaSuccess);
  float milliseconds = -1;
  ASSERT_EQ(cudaEventRecord(start), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, stop), cudaErrorInvalidResourceHandle);
  ASSERT_EQ(cudaEventRecord(stop), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(plain), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, stop), cudaSuccess);
  EXPECT_GE(milliseconds, 0.0F);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, plain), cudaErrorInvalidResourceHandle);
  for (const cudaEvent_t event : {start, stop, plain}) EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(start), cudaErrorInvalidResourceHandle);
  static_cast<void>(cudaGetLastError());
}

// A device that is lost stays lost: Options::lost is what a GPU does after a kernel that failed.
TEST(SimtLostDevice, FailsEveryCallThatNeedsIt) {
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  ASSERT_EQ(cudaStreamCreate(&stream), cudaSuccess);
  ASSERT_EQ(cudaEventCreate(&event), cudaSuccess);
  const DeviceArray<float> x(4);
  float host = 0;
  void* data = nullptr;
  simt::options().lost = cudaErrorIllegalAddress;
  for (const cudaError_t status :
       {cudaMalloc(&data, 4), cudaMemcpyAsync(&host, x.data(), 4, cudaMemcpyDefault, stream),
        cudaMemsetAsync(x.data(), 0, 4, stream), cudaStreamSynchronize(stream), cudaStreamQuery(stream),
        cudaEventSynchronize(event), cudaEventQuery(event), cudaDeviceSynchronize(), cudaFree(x.data())}) {
    EXPECT_EQ(status, cudaErrorIllegalAddress);
  }
  simt::options().lost = cudaSuccess;
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  static_cast<void>(cudaGetLastError());
}

TEST(SimtLostDevice, IsKnownByALaunch) {
  simt::options().lost = cudaErrorIllegalAddress;
  try {
    launch(nothing, 3, dim3(32, 2), 0, nullptr);
    ADD_FAILURE() << "expected a CudaError";
  } catch (const CudaError& error) {
    EXPECT_TRUE(error.sticky);
    EXPECT_EQ(error.code, cudaErrorIllegalAddress);
    EXPECT_EQ(error.call, "launch");
    EXPECT_THAT(error.what(), HasSubstr("3 x 1 x 1 blocks of 32 x 2 x 1 threads"));
    EXPECT_THAT(error.what(), HasSubstr("restart"));
  }
  simt::options().lost = cudaSuccess;
  EXPECT_EQ(launch_code(1, 1, 0), cudaSuccess);
}

TEST(SimtLanguage, IsForCudaThreadsOnly) { EXPECT_THROW(__syncthreads(), simt::KernelError); }

}  // namespace
}  // namespace hop::kernels::cuda
