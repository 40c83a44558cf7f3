// How the calling thread's work becomes a CUDA graph.
#pragma once

#include <memory>

#include "kernels/cuda/fault_internal.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda {

/// From its construction to end(), the work that the calling thread gives to the current device is recorded instead of
/// run. The work goes to a separate stream, so that work of other threads on the device's compute stream does not end
/// up in the graph. The destructor drops a recording that was not ended, for example because the work threw.
class GraphRecorder {
 public:
  /// The graph will be launched on the stream that is current now.
  GraphRecorder();
  ~GraphRecorder();
  GraphRecorder(const GraphRecorder&) = delete;
  GraphRecorder& operator=(const GraphRecorder&) = delete;

  /// The graph, which belongs to the caller.
  cudaGraph_t end();

  /// The recorder of the calling thread; null while nothing is recorded.
  static const GraphRecorder* current();
  /// The graph's nodes note their faults there. Lives as long as the graph.
  const std::shared_ptr<FaultSlot>& faults() const { return faults_; }
  cudaStream_t launched_on() const { return launched_on_; }

 private:
  std::shared_ptr<FaultSlot> faults_;
  cudaStream_t launched_on_;
  Stream side_;
  StreamGuard guard_;
  bool open_ = false;
};

}  // namespace hop::kernels::cuda
