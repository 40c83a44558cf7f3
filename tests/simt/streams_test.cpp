// Streams whose work waits (Options::streams): the order within a stream and behind events stays, and a wait that is
// missing between two streams shows in the result.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <type_traits>

#include "kernels/cuda/language.h"
#include "tests/simt/device_array.h"

namespace hop::kernels::cuda {
namespace {

using ::hop::testing::DeviceArray;
using simt::Streams;

__global__ void fill(float* y, float value) { y[threadIdx.x] = value; }
__global__ void add(float* y, float value) { y[threadIdx.x] += value; }
__global__ void copy(float* y, const float* x) { y[threadIdx.x] = x[threadIdx.x]; }
__global__ void two_barriers() {
  if (threadIdx.x < 16)
    __syncthreads();
  else
    __syncthreads();
}

constexpr unsigned kThreads = 4;

/// Two streams that wait for nobody, and arrays that start as zeros.
class WaitingStreams : public ::testing::TestWithParam<Streams> {
 protected:
  void SetUp() override {
    for (cudaStream_t* stream : {&a_, &b_}) ASSERT_EQ(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking), 0);
    ASSERT_EQ(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), 0);
    for (float* data : {x_.data(), y_.data()}) ASSERT_EQ(cudaMemset(data, 0, kBytes), 0);
    simt::options().streams = GetParam();
  }
  void TearDown() override {
    EXPECT_EQ(cudaDeviceSynchronize(), 0);
    simt::options().streams = Streams::at_once;
    for (const cudaStream_t stream : {a_, b_}) EXPECT_EQ(cudaStreamDestroy(stream), 0);
    EXPECT_EQ(cudaEventDestroy(event_), 0);
  }

  template <class... P>
  void run(cudaStream_t stream, void (*kernel)(P...), std::type_identity_t<P>... arguments) {
    launch(kernel, 1, kThreads, 0, stream, arguments...);
  }
  void order(cudaStream_t first, cudaStream_t then) {
    ASSERT_EQ(cudaEventRecord(event_, first), 0);
    ASSERT_EQ(cudaStreamWaitEvent(then, event_), 0);
  }
  static float value(const DeviceArray<float>& x) { return x.data()[0]; }
  bool waits() const { return GetParam() != Streams::at_once; }

  static constexpr std::size_t kBytes = kThreads * sizeof(float);
  cudaStream_t a_ = nullptr, b_ = nullptr;
  cudaEvent_t event_ = nullptr;
  DeviceArray<float> x_{kThreads}, y_{kThreads};
};

TEST_P(WaitingStreams, RunWhatTheyWereGivenInOrderWhenTheHostWaits) {
  run(a_, fill, x_.data(), 2.0F);
  run(a_, add, x_.data(), 1.0F);
  EXPECT_EQ(value(x_), waits() ? 0.0F : 3.0F);
  EXPECT_EQ(cudaStreamSynchronize(a_), 0);
  EXPECT_EQ(value(x_), 3.0F);
}

TEST_P(WaitingStreams, AreAskedTwiceAtMost) {
  run(a_, fill, x_.data(), 2.0F);
  EXPECT_EQ(cudaEventRecord(event_, a_), 0);
  EXPECT_EQ(cudaEventQuery(event_), waits() ? cudaErrorNotReady : cudaSuccess);
  EXPECT_EQ(cudaEventQuery(event_), cudaSuccess);
  EXPECT_EQ(value(x_), 2.0F);
  run(a_, add, x_.data(), 1.0F);
  EXPECT_EQ(cudaEventQuery(event_), cudaSuccess) << "what comes behind an event does not concern it";
  EXPECT_EQ(cudaStreamQuery(a_), waits() ? cudaErrorNotReady : cudaSuccess);
  EXPECT_EQ(cudaStreamQuery(a_), cudaSuccess);
  static_cast<void>(cudaGetLastError());
}

TEST_P(WaitingStreams, HaveNothingLeftToWaitForWhereTheyRanAtOnce) {
  run(a_, fill, x_.data(), 2.0F);
  order(a_, b_);
  EXPECT_EQ(cudaStreamQuery(b_), waits() ? cudaErrorNotReady : cudaSuccess);
  static_cast<void>(cudaGetLastError());
}

TEST_P(WaitingStreams, ReadBehindAWriterThatTheyWaitFor) {
  run(a_, fill, x_.data(), 2.0F);
  order(a_, b_);
  run(b_, copy, y_.data(), x_.data());
  EXPECT_EQ(cudaStreamSynchronize(b_), 0);
  EXPECT_EQ(value(y_), 2.0F);
}

TEST_P(WaitingStreams, ReadTooEarlyWhereTheyDoNotWaitForTheWriter) {
  run(a_, fill, x_.data(), 2.0F);
  run(b_, copy, y_.data(), x_.data());
  EXPECT_EQ(cudaStreamSynchronize(b_), 0);
  EXPECT_EQ(value(y_), GetParam() == Streams::lazy ? 0.0F : 2.0F);
}

TEST_P(WaitingStreams, OverwriteWhatIsStillReadWhereTheyDoNotWaitForTheReader) {
  run(a_, copy, y_.data(), x_.data());  // zeros
  run(b_, fill, x_.data(), 2.0F);
  EXPECT_EQ(cudaStreamSynchronize(a_), 0);
  EXPECT_EQ(value(y_), GetParam() == Streams::others_first ? 2.0F : 0.0F);
}

TEST_P(WaitingStreams, OverwriteBehindAReaderThatTheyWaitFor) {
  run(a_, copy, y_.data(), x_.data());
  order(a_, b_);
  run(b_, fill, x_.data(), 2.0F);
  EXPECT_EQ(cudaStreamSynchronize(b_), 0);
  EXPECT_EQ(value(y_), 0.0F);
  EXPECT_EQ(value(x_), 2.0F);
}

TEST_P(WaitingStreams, WaitForAnEventAsItWasWhenTheyWereTold) {
  run(a_, fill, x_.data(), 2.0F);
  order(a_, b_);
  run(a_, fill, x_.data(), 3.0F);
  EXPECT_EQ(cudaEventRecord(event_, a_), 0);  // recorded again: b waits for the first time
  run(b_, copy, y_.data(), x_.data());
  EXPECT_EQ(cudaStreamSynchronize(b_), 0);
  EXPECT_EQ(value(y_), GetParam() == Streams::lazy ? 2.0F : 3.0F);
}

TEST_P(WaitingStreams, LetCopiesOfPinnedMemoryWaitAndNoOthers) {
  float* pinned = nullptr;
  ASSERT_EQ(cudaMallocHost(reinterpret_cast<void**>(&pinned), kBytes), 0);
  float pageable[kThreads] = {5, 5, 5, 5};
  std::fill_n(pinned, kThreads, 5.0F);
  EXPECT_EQ(cudaMemcpyAsync(x_.data(), pinned, kBytes, cudaMemcpyHostToDevice, a_), 0);
  EXPECT_EQ(cudaMemcpyAsync(y_.data(), pageable, kBytes, cudaMemcpyHostToDevice, a_), 0);
  pinned[0] = pageable[0] = 6;
  float back[kThreads] = {};
  EXPECT_EQ(cudaMemcpyAsync(back, x_.data(), kBytes, cudaMemcpyDeviceToHost, a_), 0);
  EXPECT_EQ(back[0], waits() ? 6.0F : 5.0F);
  EXPECT_EQ(value(y_), 5.0F);
  run(a_, fill, x_.data(), 7.0F);
  EXPECT_EQ(cudaMemcpyAsync(pinned, x_.data(), kBytes, cudaMemcpyDeviceToHost, a_), 0);
  EXPECT_EQ(pinned[0], waits() ? 6.0F : 7.0F);
  EXPECT_EQ(cudaFreeHost(pinned), 0);
}

TEST_P(WaitingStreams, HaveRunWhenTheHostCopiesWithinItself) {
  float from[kThreads] = {5, 5, 5, 5}, to[kThreads] = {};
  EXPECT_EQ(cudaMemcpyAsync(x_.data(), from, kBytes, cudaMemcpyHostToDevice, a_), 0);
  EXPECT_EQ(cudaMemcpyAsync(to, from, kBytes, cudaMemcpyHostToHost, a_), 0);
  EXPECT_EQ(to[0], 5.0F);
  EXPECT_EQ(value(x_), 5.0F);
}

// Whichever stream is older, one of the two orders is not the one in which the program gave the work.
TEST_P(WaitingStreams, RunTheOldestFirstOrTheYoungestWhereAllAreWaitedFor) {
  const auto read = [&](cudaStream_t reader, cudaStream_t writer) {
    EXPECT_EQ(cudaMemset(x_.data(), 0, kBytes), 0);
    run(writer, fill, x_.data(), 2.0F);
    run(reader, copy, y_.data(), x_.data());
    EXPECT_EQ(cudaDeviceSynchronize(), 0);
    return value(y_);
  };
  EXPECT_EQ(read(a_, b_), GetParam() == Streams::lazy ? 0.0F : 2.0F);
  EXPECT_EQ(read(b_, a_), GetParam() == Streams::others_first ? 0.0F : 2.0F);
}

TEST_P(WaitingStreams, RunWhatADestroyedOneWasGivenWhenAllAreWaitedFor) {
  cudaStream_t gone = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&gone, cudaStreamNonBlocking), 0);
  run(gone, fill, x_.data(), 2.0F);
  EXPECT_EQ(cudaStreamDestroy(gone), 0);
  EXPECT_EQ(value(x_), waits() ? 0.0F : 2.0F);
  EXPECT_EQ(cudaDeviceSynchronize(), 0);
  EXPECT_EQ(value(x_), 2.0F);
}

TEST_P(WaitingStreams, PassAnEventOfTheDefaultStreamAtOnce) {
  run(a_, fill, x_.data(), 2.0F);
  EXPECT_EQ(cudaEventRecord(event_, a_), 0);
  EXPECT_EQ(cudaEventRecord(event_, nullptr), 0);
  EXPECT_EQ(cudaEventQuery(event_), cudaSuccess);
  EXPECT_EQ(value(x_), waits() ? 0.0F : 2.0F) << "the event is another one now";
}

TEST_P(WaitingStreams, MeasureNoTimeBeforeTheyHavePassedBothEvents) {
  cudaEvent_t start = nullptr, stop = nullptr;
  ASSERT_EQ(cudaEventCreate(&start), 0);
  ASSERT_EQ(cudaEventCreate(&stop), 0);
  EXPECT_EQ(cudaEventRecord(start, a_), 0);
  EXPECT_EQ(cudaEventRecord(stop, a_), 0);
  float milliseconds = -1;
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, stop), waits() ? cudaErrorNotReady : cudaSuccess);
  EXPECT_EQ(cudaEventSynchronize(stop), 0);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, stop), cudaSuccess);
  EXPECT_GE(milliseconds, 0.0F);
  for (const cudaEvent_t event : {start, stop}) EXPECT_EQ(cudaEventDestroy(event), 0);
  static_cast<void>(cudaGetLastError());
}

// One thread gives work and records, another asks and waits: for ThreadSanitizer.
TEST_P(WaitingStreams, ServeSeveralThreads) {
  std::thread other([&] {
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(cudaStreamWaitEvent(b_, event_), 0);
      static_cast<void>(cudaEventQuery(event_));
      EXPECT_EQ(cudaEventSynchronize(event_), 0);
    }
  });
  for (int i = 0; i < 20; ++i) {
    run(a_, add, x_.data(), 1.0F);
    EXPECT_EQ(cudaEventRecord(event_, a_), 0);
  }
  other.join();
  EXPECT_EQ(cudaStreamSynchronize(a_), 0);
  EXPECT_EQ(value(x_), 20.0F);
}

TEST_P(WaitingStreams, HaveRunWhenMemoryIsFreed) {
  float* z = nullptr;
  ASSERT_EQ(cudaMalloc(&z, kBytes), 0);
  run(a_, fill, z, 2.0F);
  run(a_, copy, x_.data(), z);
  EXPECT_EQ(cudaFree(z), 0);
  EXPECT_EQ(value(x_), 2.0F);
}

TEST_P(WaitingStreams, GoBeforeTheDefaultStreamUnlessTheyAreNonBlocking) {
  cudaStream_t blocking = nullptr;
  ASSERT_EQ(cudaStreamCreate(&blocking), 0);
  run(blocking, fill, x_.data(), 2.0F);
  run(a_, fill, y_.data(), 2.0F);
  launch(add, 1, kThreads, 0, nullptr, x_.data(), 1.0F);
  EXPECT_EQ(value(x_), 3.0F);
  EXPECT_EQ(value(y_), GetParam() == Streams::lazy ? 0.0F : 2.0F);
  EXPECT_EQ(cudaStreamDestroy(blocking), 0);
}

TEST_P(WaitingStreams, RunGraphsInTheirTurn) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(a_, cudaStreamCaptureModeThreadLocal), 0);
  run(a_, add, x_.data(), 1.0F);
  ASSERT_EQ(cudaStreamEndCapture(a_, &graph), 0);
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph), 0);
  ASSERT_EQ(cudaGraphLaunch(executable, a_), 0);
  run(a_, copy, y_.data(), x_.data());
  ASSERT_EQ(cudaGraphLaunch(executable, a_), 0);
  EXPECT_EQ(cudaGraphExecDestroy(executable), 0);  // it has been launched, and runs
  EXPECT_EQ(cudaGraphDestroy(graph), 0);
  EXPECT_EQ(cudaStreamSynchronize(a_), 0);
  EXPECT_EQ(value(y_), 1.0F);
  EXPECT_EQ(value(x_), 2.0F);
}

TEST_P(WaitingStreams, TellWhoWaitsOfAKernelThatIsWrong) {
  const auto give = [&] { launch(two_barriers, 1, 32, 0, a_); };
  if (!waits()) {
    EXPECT_THROW(give(), simt::KernelError);
    return;
  }
  EXPECT_NO_THROW(give());
  EXPECT_THROW(cudaStreamSynchronize(a_), simt::KernelError);
  EXPECT_EQ(cudaStreamSynchronize(a_), 0) << "told once";

  float* z = nullptr;
  ASSERT_EQ(cudaMalloc(&z, kBytes), 0);
  give();
  EXPECT_NO_THROW(EXPECT_EQ(cudaFree(z), 0)) << "as destructors do";
  EXPECT_THROW(cudaStreamSynchronize(a_), simt::KernelError);
}

INSTANTIATE_TEST_SUITE_P(Simt, WaitingStreams,
                         ::testing::Values(Streams::at_once, Streams::lazy, Streams::others_first),
                         [](const auto& each) {
                           return std::string(each.param == Streams::lazy           ? "Lazy"
                                              : each.param == Streams::others_first ? "OthersFirst"
                                                                                    : "AtOnce");
                         });

}  // namespace
}  // namespace hop::kernels::cuda
