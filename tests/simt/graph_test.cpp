// Stream capture and graphs on the CPU: what is recorded, in which order it may run, and what a capture forbids.
#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "tests/cuda/schedules.h"
#include "tests/simt/device_array.h"

namespace hop::kernels::cuda {
namespace {

using ::hop::testing::DeviceArray;
using ::hop::testing::for_each_schedule;

__global__ void add(float* y, float value) { *y += value; }
__global__ void scale(float* y, float factor) { *y *= factor; }

class SimtGraph : public ::testing::Test {
 protected:
  SimtGraph() {
    for (cudaStream_t* stream : {&main_, &side_}) {
      EXPECT_EQ(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking), cudaSuccess);
    }
    for (cudaEvent_t* event : {&fork_, &join_}) {
      EXPECT_EQ(cudaEventCreateWithFlags(event, cudaEventDisableTiming), cudaSuccess);
    }
  }
  ~SimtGraph() override {
    for (const cudaStream_t stream : {main_, side_}) EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
    for (const cudaEvent_t event : {fork_, join_}) EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
    static_cast<void>(cudaGetLastError());
  }

  void begin() { ASSERT_EQ(cudaStreamBeginCapture(main_, cudaStreamCaptureModeGlobal), cudaSuccess); }
  cudaError_t end() { return cudaStreamEndCapture(main_, &graph_); }
  void wait(cudaStream_t stream, cudaEvent_t event, cudaStream_t for_stream) {
    ASSERT_EQ(cudaEventRecord(event, for_stream), cudaSuccess);
    ASSERT_EQ(cudaStreamWaitEvent(stream, event), cudaSuccess);
  }
  // Runs the graph `times` times and gives up both.
  void replay(int times) {
    cudaGraphExec_t executable = nullptr;
    ASSERT_EQ(cudaGraphInstantiate(&executable, graph_), cudaSuccess);
    ASSERT_EQ(cudaGraphDestroy(graph_), cudaSuccess);
    ASSERT_EQ(cudaGraphUpload(executable, main_), cudaSuccess);
    for (int i = 0; i < times; ++i) ASSERT_EQ(cudaGraphLaunch(executable, main_), cudaSuccess);
    ASSERT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
    EXPECT_EQ(cudaGraphLaunch(executable, main_), cudaErrorInvalidValue);
  }

  cudaStream_t main_ = nullptr, side_ = nullptr;
  cudaEvent_t fork_ = nullptr, join_ = nullptr;
  cudaGraph_t graph_ = nullptr;
  DeviceArray<float> y_{std::vector<float>{1}};
};

TEST_F(SimtGraph, RecordsWithoutRunningAndReplaysInOrder) {
  for_each_schedule([&] {
    const float one = 1;
    ASSERT_EQ(cudaMemcpy(y_.data(), &one, sizeof one, cudaMemcpyHostToDevice), cudaSuccess);
    begin();
    launch(add, 1, 1, 0, main_, y_.data(), 1.0F);
    launch(scale, 1, 1, 0, main_, y_.data(), 2.0F);
    ASSERT_EQ(end(), cudaSuccess);
    EXPECT_EQ(y_.to_host()[0], 1.0F);
    std::size_t nodes = 0;
    EXPECT_EQ(cudaGraphGetNodes(graph_, nullptr, &nodes), cudaSuccess);
    EXPECT_EQ(nodes, 2U);
    replay(3);
    EXPECT_EQ(y_.to_host()[0], 22.0F);  // ((1 + 1) 2 + 1) 2 ..
  });
}

TEST_F(SimtGraph, KeepsTheOrderThatEventsGiveTwoStreams) {
  for_each_schedule([&] {
    const float one = 1;
    ASSERT_EQ(cudaMemcpy(y_.data(), &one, sizeof one, cudaMemcpyHostToDevice), cudaSuccess);
    begin();
    launch(add, 1, 1, 0, main_, y_.data(), 1.0F);
    wait(side_, fork_, main_);
    launch(scale, 1, 1, 0, side_, y_.data(), 3.0F);
    wait(main_, join_, side_);
    launch(add, 1, 1, 0, main_, y_.data(), 4.0F);
    ASSERT_EQ(end(), cudaSuccess);
    replay(1);
    EXPECT_EQ(y_.to_host()[0], 10.0F);
  });
}

// Planted bug: nobody waits before the side stream's work, so it may run first; the schedules show it.
TEST_F(SimtGraph, AMissingWaitBetweenStreamsChangesTheResultWithTheSchedule) {
  std::vector<float> results;
  for (const simt::Schedule schedule : {simt::Schedule::in_order, simt::Schedule::reversed}) {
    const testing::ScheduleGuard guard(schedule, 1, 1);
    const float one = 1;
    ASSERT_EQ(cudaMemcpy(y_.data(), &one, sizeof one, cudaMemcpyHostToDevice), cudaSuccess);
    begin();
    wait(side_, fork_, main_);
    launch(add, 1, 1, 0, main_, y_.data(), 1.0F);
    launch(scale, 1, 1, 0, side_, y_.data(), 3.0F);
    wait(main_, join_, side_);
    ASSERT_EQ(end(), cudaSuccess);
    replay(1);
    results.push_back(y_.to_host()[0]);
  }
  EXPECT_EQ(results, (std::vector<float>{6, 4}));
}

TEST_F(SimtGraph, RefusesAndGivesUpACaptureInWhichSomebodyWaitsOrAllocates) {
  void* data = nullptr;
  float host = 0;
  const std::function<cudaError_t()> forbidden[] = {
      [&] { return cudaMalloc(&data, 4); },
      [&] { return cudaFree(y_.data()); },
      [&] { return cudaMemcpy(&host, y_.data(), 4, cudaMemcpyDeviceToHost); },
      [&] { return cudaStreamSynchronize(main_); },
      [&] { return cudaStreamQuery(main_); },
      [&] { return cudaDeviceSynchronize(); },
  };
  for (const auto& call : forbidden) {
    begin();
    launch(add, 1, 1, 0, main_, y_.data(), 1.0F);
    EXPECT_EQ(call(), cudaErrorStreamCaptureUnsupported);
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    EXPECT_EQ(cudaStreamIsCapturing(main_, &status), cudaSuccess);
    EXPECT_EQ(status, cudaStreamCaptureStatusInvalidated);
    EXPECT_THROW(launch(add, 1, 1, 0, main_, y_.data(), 1.0F), CudaError);
    EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(graph_, nullptr);
  }
  EXPECT_EQ(y_.to_host()[0], 1.0F);
}

TEST_F(SimtGraph, ForbidsAnotherThreadOnlyUnderTheGlobalMode) {
  for (const auto& [mode, answer] : {std::pair{cudaStreamCaptureModeGlobal, cudaErrorStreamCaptureUnsupported},
                                     std::pair{cudaStreamCaptureModeThreadLocal, cudaSuccess},
                                     std::pair{cudaStreamCaptureModeRelaxed, cudaSuccess}}) {
    ASSERT_EQ(cudaStreamBeginCapture(main_, mode), cudaSuccess);
    cudaError_t got = cudaErrorUnknown;
    void* data = nullptr;
    std::jthread([&] { got = cudaMalloc(&data, 4); }).join();
    EXPECT_EQ(got, answer);
    static_cast<void>(end());
    EXPECT_EQ(cudaFree(data), cudaSuccess);
    if (graph_ != nullptr) {
      EXPECT_EQ(cudaGraphDestroy(graph_), cudaSuccess);
    }
  }
}

// A wait for the whole device would wait for the stream that records.
TEST_F(SimtGraph, ForbidsEveryThreadToWaitForTheWholeDeviceUnderEveryMode) {
  for (const auto mode :
       {cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal, cudaStreamCaptureModeRelaxed}) {
    ASSERT_EQ(cudaStreamBeginCapture(main_, mode), cudaSuccess);
    cudaError_t got = cudaErrorUnknown;
    std::jthread([&] { got = cudaDeviceSynchronize(); }).join();
    EXPECT_EQ(got, cudaErrorStreamCaptureUnsupported);
    EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
  }
}

TEST_F(SimtGraph, RefusesACaptureWithAStreamThatNobodyJoins) {
  begin();
  wait(side_, fork_, main_);
  launch(add, 1, 1, 0, side_, y_.data(), 1.0F);
  EXPECT_EQ(end(), cudaErrorStreamCaptureUnjoined);
}

TEST_F(SimtGraph, RefusesWorkFromOutsideTheCapture) {
  ASSERT_EQ(cudaEventRecord(fork_, side_), cudaSuccess);  // before, and so not part of it
  begin();
  EXPECT_EQ(cudaStreamWaitEvent(main_, fork_), cudaErrorStreamCaptureIsolation);
  EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
}

TEST_F(SimtGraph, RefusesToWaitOnTheHostForARecordedEvent) {
  begin();
  ASSERT_EQ(cudaEventRecord(fork_, main_), cudaSuccess);
  EXPECT_EQ(cudaEventSynchronize(fork_), cudaErrorCapturedEvent);
  EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
}

TEST_F(SimtGraph, EndsOnlyOnTheStreamWhereItBegan) {
  EXPECT_EQ(end(), cudaErrorIllegalState);
  EXPECT_EQ(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal), cudaErrorStreamCaptureUnsupported);
  begin();
  EXPECT_EQ(cudaStreamBeginCapture(main_, cudaStreamCaptureModeGlobal), cudaErrorIllegalState);
  wait(side_, fork_, main_);
  EXPECT_EQ(cudaStreamEndCapture(side_, &graph_), cudaErrorStreamCaptureUnmatched);
  EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
}

}  // namespace
}  // namespace hop::kernels::cuda
