// A captured step as a CUDA graph. The work is recorded on a separate stream, so that work of other threads on the
// device's compute stream does not end up in the graph. Replays are queued on the current stream.
#include "kernels/capture_operations.h"
#include "kernels/cuda/device_internal.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda {
namespace {

/// A recording in progress. The destructor ends it, also when `work` throws.
class Recording {
 public:
  explicit Recording(const Stream& stream) : stream_(stream.get()) {
    // Relaxed, because this thread may call cudaMalloc: the plan's pool grows while the step is recorded.
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
  }
  ~Recording() {
    if (!open_) return;
    cudaGraph_t broken = nullptr;
    ignore(cudaStreamEndCapture(stream_, &broken));
    if (broken != nullptr) ignore(cudaGraphDestroy(broken));
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  cudaGraph_t end() {
    open_ = false;
    cudaGraph_t graph = nullptr;
    check(cudaStreamEndCapture(stream_, &graph), "cudaStreamEndCapture");
    return graph;
  }

 private:
  cudaStream_t stream_;
  bool open_ = true;
};

class Graph final : public Plan::Recorded {
 public:
  Graph(Device device, cudaGraph_t graph, std::shared_ptr<FaultSlot> faults)
      : device_(device), graph_(graph), faults_(std::move(faults)) {
    try {
      check(cudaGraphGetNodes(graph_, nullptr, &nodes_), "cudaGraphGetNodes");
      check(cudaGraphInstantiate(&executable_, graph_, 0), "cudaGraphInstantiate");
    } catch (...) {
      ignore(cudaGraphDestroy(graph_));
      throw;
    }
  }
  ~Graph() override {
    ignore(cudaGraphExecDestroy(executable_));
    ignore(cudaGraphDestroy(graph_));
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void replay() override {
    use_device(device_.index);
    const cudaStream_t stream = current_stream();
    answer_for(device_.index, faults_, stream);
    check(cudaGraphLaunch(executable_, stream), "cudaGraphLaunch");
  }
  std::size_t size() const override { return nodes_; }

 private:
  Device device_;
  cudaGraph_t graph_;
  std::shared_ptr<FaultSlot> faults_;  // the graph's nodes contain its address
  cudaGraphExec_t executable_ = nullptr;
  std::size_t nodes_ = 0;
};

std::unique_ptr<Plan::Recorded> capture(Device device, const std::function<void()>& work) {
  use_device(device.index);
  const Stream side;
  const auto faults = std::make_shared<FaultSlot>(device.index);
  cudaGraph_t recorded = nullptr;
  {
    const RecordingScope scope(faults);
    const StreamGuard guard(side);
    Recording recording(side);
    work();
    recorded = recording.end();
  }
  auto graph = std::make_unique<Graph>(device, recorded, faults);
  graph->replay();  // recording did not run the work
  return graph;
}

}  // namespace
}  // namespace hop::kernels::cuda

namespace hop::kernels {

const CaptureOperations CaptureOperations::cuda = {.capture = cuda::capture};

}  // namespace hop::kernels
