// The objects behind the handles of runtime.h.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "kernels/simt/queue_internal.h"
#include "kernels/simt/runtime.h"

namespace hop::simt {

/// The nodes that come before a point of a capture: bit i for node i, ancestors of ancestors included.
using Before = std::vector<bool>;

struct Node {
  std::function<void()> work;
  Before before;
};

/// A capture that has not ended: nodes in program order, which is one order that the dependencies allow.
struct Capture {
  cudaStream_t origin = nullptr;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id thread;
  bool invalidated = false;
  std::vector<Node> nodes;
};

/// Every live handle. Work runs outside the lock.
struct Handles {
  std::mutex mutex;
  std::set<cudaStream_t> streams;
  std::set<cudaEvent_t> events;
  std::set<cudaGraph_t> graphs;
  std::set<cudaGraphExec_t> executables;
};
Handles& handles();

/// Keeps a failure for cudaGetLastError; returns `error`.
cudaError_t result(cudaError_t error);

/// The error of Options::lost.
cudaError_t lost();

/// Gives `work` to the stream, which runs it now, queues it, or records it.
cudaError_t enqueue(cudaStream_t stream, std::function<void()> work);

/// The point behind all work of the stream, which is not the default stream.
Point end_of(cudaStream_t stream);
/// Returns when all work of the stream has run. The default stream queues no work itself; it waits for all blocking
/// streams.
void reach_end(cudaStream_t stream);

/// For calls that CUDA calls unsafe during a capture (allocating, freeing). If a capture forbids them to the calling
/// thread, invalidates that capture and returns the error; otherwise returns cudaSuccess. A lost device is an error,
/// too. Takes the lock.
cudaError_t refuse_while_capturing();
/// For calls that wait for the whole device: no stream may capture, in any mode, because the call would wait for it,
/// too.
cudaError_t refuse_while_any_captures();

/// Invalidates the capture that the stream takes part in. The caller holds the lock.
void invalidate(cudaStream_t stream);

}  // namespace hop::simt

struct CUstream_st {
  bool blocking = true;  ///< waits for the default stream
  std::shared_ptr<hop::simt::Queue> queue = hop::simt::queues().make();
  std::shared_ptr<hop::simt::Capture> capture;
  hop::simt::Before before;  ///< of the next node recorded on this stream
};

struct CUevent_st {
  enum class State { fresh, recorded, captured } state = State::fresh;
  bool timing = true;
  hop::simt::Point point;
  std::shared_ptr<std::atomic<std::int64_t>> time;  ///< steady_clock's, when the stream reached it; 0: not yet
  std::weak_ptr<hop::simt::Capture> capture;
  hop::simt::Before before;
};

struct CUgraph_st {
  std::vector<hop::simt::Node> nodes;
};

struct CUgraphExec_st {
  std::shared_ptr<const std::vector<hop::simt::Node>> nodes;
};
