// A captured step as a CUDA graph. Replays are queued on the current stream.
#include <utility>

#include "kernels/capture_operations.h"
#include "kernels/cuda/graph_recorder_internal.h"

namespace hop::kernels::cuda {
namespace {

constinit thread_local const GraphRecorder* recorder_of_thread = nullptr;

}  // namespace

GraphRecorder::GraphRecorder()
    : faults_(std::make_shared<FaultSlot>(current_device())), launched_on_(current_stream()), guard_(side_) {
  // Relaxed, because this thread may call cudaMalloc: the recording's pool grows while the step is recorded.
  check(cudaStreamBeginCapture(side_.get(), cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
  open_ = true;
  recorder_of_thread = this;
}

GraphRecorder::~GraphRecorder() {
  recorder_of_thread = nullptr;
  if (!open_) return;
  cudaGraph_t broken = nullptr;
  ignore(cudaStreamEndCapture(side_.get(), &broken));
  if (broken != nullptr) ignore(cudaGraphDestroy(broken));
}

cudaGraph_t GraphRecorder::end() {
  open_ = false;
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(side_.get(), &graph), "cudaStreamEndCapture");
  return graph;
}

const GraphRecorder* GraphRecorder::current() { return recorder_of_thread; }

namespace {

class Graph final : public Recording::Calls {
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

std::unique_ptr<Recording::Calls> capture(Device device, const std::function<void()>& work) {
  use_device(device.index);
  std::unique_ptr<Graph> graph;
  {
    GraphRecorder recorder;
    work();
    graph = std::make_unique<Graph>(device, recorder.end(), recorder.faults());
  }
  graph->replay();  // recording did not run the work
  return graph;
}

}  // namespace
}  // namespace hop::kernels::cuda

namespace hop::kernels {

const CaptureOperations CaptureOperations::cuda = {.capture = cuda::capture};

}  // namespace hop::kernels
