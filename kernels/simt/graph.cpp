// Stream capture and graphs of the runtime API.
#include <algorithm>
#include <utility>

#include "kernels/simt/runtime_internal.h"

namespace hop::simt {

cudaError_t refuse_while_capturing() {
  if (lost() != cudaSuccess) return lost();
  const std::scoped_lock lock(handles().mutex);
  bool refused = false;
  for (const cudaStream_t stream : handles().streams) {
    if (!stream->capture || stream->capture->mode == cudaStreamCaptureModeRelaxed) continue;
    const bool local = stream->capture->mode == cudaStreamCaptureModeThreadLocal;
    if (local && stream->capture->thread != std::this_thread::get_id()) continue;
    stream->capture->invalidated = true;
    refused = true;
  }
  return refused ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

cudaError_t refuse_while_any_captures() {
  if (lost() != cudaSuccess) return lost();
  const std::scoped_lock lock(handles().mutex);
  bool refused = false;
  for (const cudaStream_t stream : handles().streams) {
    if (!stream->capture) continue;
    stream->capture->invalidated = true;
    refused = true;
  }
  return refused ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

namespace {

// Runs every node once, after all nodes that it depends on. The schedule chooses among the nodes that may run: in
// program order, the last one first, or at random. So a missing dependency shows.
void run_graph(const std::vector<Node>& nodes) {
  std::vector<std::size_t> waits_for(nodes.size());
  std::vector<std::size_t> ready;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    waits_for[i] = static_cast<std::size_t>(std::count(nodes[i].before.begin(), nodes[i].before.end(), true));
    if (waits_for[i] == 0) ready.push_back(i);
  }
  std::uint64_t state = options().seed;
  while (!ready.empty()) {
    auto next = std::min_element(ready.begin(), ready.end());
    if (options().schedule == Schedule::reversed) next = std::max_element(ready.begin(), ready.end());
    if (options().schedule == Schedule::shuffled) {
      state = state * 6364136223846793005U + 1442695040888963407U;  // Knuth's MMIX generator
      next = ready.begin() + static_cast<std::ptrdiff_t>((state >> 33U) % ready.size());
    }
    const std::size_t done = *next;
    ready.erase(next);
    nodes[done].work();
    for (std::size_t i = done + 1; i < nodes.size(); ++i) {
      if (done < nodes[i].before.size() && nodes[i].before[done] && --waits_for[i] == 0) ready.push_back(i);
    }
  }
}

// Takes all streams out of a capture. The caller holds the lock.
void leave(const std::shared_ptr<Capture>& capture) {
  for (const cudaStream_t stream : handles().streams) {
    if (stream->capture != capture) continue;
    stream->capture = nullptr;
    stream->before.clear();
  }
}

}  // namespace
}  // namespace hop::simt

using hop::simt::handles;
using hop::simt::result;

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  const std::scoped_lock lock(handles().mutex);
  if (stream == nullptr) return result(cudaErrorStreamCaptureUnsupported);  // the default stream cannot be recorded
  if (!handles().streams.contains(stream)) return result(cudaErrorInvalidResourceHandle);
  if (stream->capture) return result(cudaErrorIllegalState);
  stream->capture = std::make_shared<hop::simt::Capture>();
  stream->capture->origin = stream;
  stream->capture->mode = mode;
  stream->capture->thread = std::this_thread::get_id();
  stream->before.clear();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::scoped_lock lock(handles().mutex);
  *graph = nullptr;
  if (!handles().streams.contains(stream)) return result(cudaErrorInvalidResourceHandle);
  const std::shared_ptr<hop::simt::Capture> capture = stream->capture;
  if (!capture) return result(cudaErrorIllegalState);
  if (capture->origin != stream) {
    capture->invalidated = true;
    return result(cudaErrorStreamCaptureUnmatched);
  }
  if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != std::this_thread::get_id()) {
    return result(cudaErrorStreamCaptureWrongThread);
  }
  const auto joined = static_cast<std::size_t>(std::count(stream->before.begin(), stream->before.end(), true));
  hop::simt::leave(capture);
  if (capture->invalidated) return result(cudaErrorStreamCaptureInvalidated);
  if (joined != capture->nodes.size()) return result(cudaErrorStreamCaptureUnjoined);
  *graph = new CUgraph_st{std::move(capture->nodes)};
  handles().graphs.insert(*graph);
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  const std::scoped_lock lock(handles().mutex);
  *status = cudaStreamCaptureStatusNone;
  if (stream == nullptr) return cudaSuccess;
  if (!handles().streams.contains(stream)) return result(cudaErrorInvalidResourceHandle);
  if (stream->capture) {
    *status = stream->capture->invalidated ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
  }
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
  const std::scoped_lock lock(handles().mutex);
  if (!handles().graphs.contains(graph)) return result(cudaErrorInvalidValue);
  for (std::size_t i = 0; nodes != nullptr && i < std::min(*count, graph->nodes.size()); ++i) {
    nodes[i] = reinterpret_cast<cudaGraphNode_t>(&graph->nodes[i]);
  }
  *count = graph->nodes.size();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  const std::scoped_lock lock(handles().mutex);
  if (!handles().graphs.contains(graph)) return result(cudaErrorInvalidValue);
  *executable = new CUgraphExec_st{std::make_shared<const std::vector<hop::simt::Node>>(graph->nodes)};
  handles().executables.insert(*executable);
  return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t) {
  const std::scoped_lock lock(handles().mutex);
  return result(handles().executables.contains(executable) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  std::shared_ptr<const std::vector<hop::simt::Node>> nodes;
  {
    const std::scoped_lock lock(handles().mutex);
    if (!handles().executables.contains(executable)) return result(cudaErrorInvalidValue);
    nodes = executable->nodes;
  }
  return result(hop::simt::enqueue(stream, [nodes] { hop::simt::run_graph(*nodes); }));
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const std::scoped_lock lock(handles().mutex);
  if (handles().graphs.erase(graph) == 0) return result(cudaErrorInvalidValue);
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  const std::scoped_lock lock(handles().mutex);
  if (handles().executables.erase(executable) == 0) return result(cudaErrorInvalidValue);
  delete executable;
  return cudaSuccess;
}
