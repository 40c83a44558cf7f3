// The time of each kernel of a captured training step, without a profiler. Each node of the graph is copied into a
// graph of its own, many times in a row, and the new graph is timed. A row is the kernel's time with warm caches plus
// the pause of a graph between two nodes.
#include <cuda.h>
#include <cxxabi.h>

#include <iostream>
#include <map>

#include "bench/gpu/rows.h"
#include "bench/gpu/training.h"
#include "kernels/cuda/graph_recorder_internal.h"
#include "kernels/precision.h"
#include "tensor/memory_pool.h"

namespace hop::bench::gpu {
namespace {

namespace cuda = hop::kernels::cuda;
using kernels::Precision;

/// The driver's functions that know kernels by name; libcuda is the driver's, and not there where this is built.
template <class F>
F* driver(const char* name, unsigned version) {
  static std::map<std::string, void*> known;
  void*& found = known[name];
  cudaDriverEntryPointQueryResult result{};
  if (found == nullptr)
    cuda::check(cudaGetDriverEntryPointByVersion(name, &found, version, cudaEnableDefault, &result), name);
  if (found == nullptr) throw DeviceError(std::string("[nodes] the driver has no ") + name);
  return reinterpret_cast<F*>(found);
}
void check_driver(CUresult result, const char* call) {
  if (result != CUDA_SUCCESS) throw DeviceError(std::string("[nodes] ") + call + " gave " + std::to_string(result));
}

struct GraphOwner {
  cudaGraph_t graph = nullptr;
  GraphOwner() { cuda::check(cudaGraphCreate(&graph, 0), "cudaGraphCreate"); }
  explicit GraphOwner(cudaGraph_t owned) : graph(owned) {}
  ~GraphOwner() { cudaGraphDestroy(graph); }
  GraphOwner(const GraphOwner&) = delete;
  GraphOwner& operator=(const GraphOwner&) = delete;
};

/// The graph of one step. Its memory comes from `pool`.
cudaGraph_t record(Training& training, const std::shared_ptr<MemoryPool>& pool) {
  const PoolScope memory(pool);
  cuda::GraphRecorder recorder;
  training.step();
  return recorder.end();
}

std::string readable(const char* symbol) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(symbol, nullptr, nullptr, &status), std::free);
  return std::string(status == 0 ? text.get() : symbol).substr(0, 150);
}

struct Node {
  std::string name;
  std::function<cudaGraphNode_t(cudaGraph_t, const cudaGraphNode_t* after)> copy;
};

Node kernel_node(cudaGraphNode_t node) {
  CUDA_KERNEL_NODE_PARAMS parameters{};
  check_driver(driver<decltype(cuGraphKernelNodeGetParams)>("cuGraphKernelNodeGetParams", 12000)(node, &parameters),
               "cuGraphKernelNodeGetParams");
  const char* symbol = nullptr;
  if (parameters.func != nullptr)
    check_driver(driver<decltype(cuFuncGetName)>("cuFuncGetName", 12030)(&symbol, parameters.func), "cuFuncGetName");
  else
    check_driver(driver<decltype(cuKernelGetName)>("cuKernelGetName", 12030)(&symbol, parameters.kern),
                 "cuKernelGetName");
  std::string name = readable(symbol) + " <" + std::to_string(parameters.gridDimX) + "," +
                     std::to_string(parameters.gridDimY) + "," + std::to_string(parameters.gridDimZ) + " x " +
                     std::to_string(parameters.blockDimX * parameters.blockDimY * parameters.blockDimZ) + ">";
  return {std::move(name), [parameters, node](cudaGraph_t graph, const cudaGraphNode_t* after) {
            cudaGraphNode_t copy = nullptr;
            check_driver(driver<decltype(cuGraphAddKernelNode)>("cuGraphAddKernelNode", 12000)(
                             &copy, graph, after, after != nullptr ? 1 : 0, &parameters),
                         "cuGraphAddKernelNode");
            cuda::check(cudaGraphKernelNodeCopyAttributes(copy, node), "cudaGraphKernelNodeCopyAttributes");
            return copy;
          }};
}

/// Kernels and memsets; of other nodes only the name.
Node describe(cudaGraphNode_t node) {
  cudaGraphNodeType type{};
  cuda::check(cudaGraphNodeGetType(node, &type), "cudaGraphNodeGetType");
  if (type == cudaGraphNodeTypeKernel) return kernel_node(node);
  if (type != cudaGraphNodeTypeMemset) return {"node of type " + std::to_string(type), nullptr};
  cudaMemsetParams parameters{};
  cuda::check(cudaGraphMemsetNodeGetParams(node, &parameters), "cudaGraphMemsetNodeGetParams");
  return {"memset of " + std::to_string(parameters.width * parameters.height),
          [parameters](cudaGraph_t graph, const cudaGraphNode_t* after) {
            cudaGraphNode_t copy = nullptr;
            cuda::check(cudaGraphAddMemsetNode(&copy, graph, after, after != nullptr ? 1 : 0, &parameters),
                        "cudaGraphAddMemsetNode");
            return copy;
          }};
}

/// `before`: a memset that the node may wait for (a counter of finished parts), copied with it each time; or null.
double seconds_of(const Node& node, const Node* before, Size size) {
  const int repetitions = size == Size::full ? 100 : 2;
  const GraphOwner chain;
  cudaGraphNode_t last = nullptr;
  for (int i = 0; i < repetitions; ++i) {
    if (before != nullptr) last = before->copy(chain.graph, last != nullptr ? &last : nullptr);
    last = node.copy(chain.graph, last != nullptr ? &last : nullptr);
  }
  cudaGraphExec_t executable = nullptr;
  cuda::check(cudaGraphInstantiate(&executable, chain.graph, 0), "cudaGraphInstantiate");
  const cuda::Event start(cuda::Event::Timing::on), stop(cuda::Event::Timing::on);
  double best = 1e9;
  for (int i = 0; i < 4; ++i) {
    start.record(cuda::current_stream());
    cuda::check(cudaGraphLaunch(executable, cuda::current_stream()), "cudaGraphLaunch");
    stop.record(cuda::current_stream());
    best = std::min(best, 1e-3 * static_cast<double>(cuda::milliseconds_between(start, stop)) / repetitions);
  }
  cuda::check(cudaGraphExecDestroy(executable), "cudaGraphExecDestroy");
  return best;
}

std::vector<Row> nodes_of(const Net& net, std::int64_t batch, Precision precision, Size size) {
  const kernels::PrecisionScope scope(precision);
  Training training(net, batch);
  training.step();
  const auto pool = std::make_shared<MemoryPool>(Device::cuda());
  const GraphOwner step(record(training, pool));
  std::size_t count = 0;
  cuda::check(cudaGraphGetNodes(step.graph, nullptr, &count), "cudaGraphGetNodes");
  std::vector<cudaGraphNode_t> handles(count);
  cuda::check(cudaGraphGetNodes(step.graph, handles.data(), &count), "cudaGraphGetNodes");
  const std::string of = std::string(net.name) + " batch " + std::to_string(batch) + " " + std::string(name(precision));
  std::vector<Row> all;
  double sum = 0;
  Node last;
  for (std::size_t i = 0; i < count; ++i) {
    const Node node = describe(handles[i]);
    const bool is_behind_memset = last.name.starts_with("memset") && !node.name.starts_with("memset");
    std::cerr << of << ' ' << i << ' ' << node.name << std::flush;  // a kernel that waits for another one never ends
    const double seconds = node.copy ? seconds_of(node, is_behind_memset ? &last : nullptr, size) : 0;
    std::cerr << ' ' << seconds * 1e6 << std::endl;
    last = node;
    sum += seconds;
    all.push_back({"nodes", of + " " + std::to_string(i), seconds * 1e6, "us", 0, 0, node.name});
  }
  all.push_back({"nodes", of + " sum", sum * 1e6, "us", 0, 0, std::to_string(count) + " nodes"});
  return all;
}

}  // namespace

std::vector<Row> nodes(Size size) {
  struct Case {
    Net net;
    std::int64_t batch;
    Precision precision;
  };
  static constexpr Net kMlp{"mlp", "adam"}, kTabular{"tabular", "adam"}, kLenet{"lenet", "sgd"},
      kResnet{"resnet20", "sgd"};
  static constexpr Case kCases[] = {
      {kMlp, 32, Precision::strict},     {kMlp, 512, Precision::strict},   {kMlp, 32, Precision::bf16},
      {kTabular, 32, Precision::strict}, {kTabular, 512, Precision::bf16}, {kLenet, 32, Precision::strict},
      {kLenet, 512, Precision::strict},  {kLenet, 512, Precision::tf32},   {kResnet, 32, Precision::strict},
      {kResnet, 32, Precision::tf32},    {kResnet, 32, Precision::bf16},   {kResnet, 512, Precision::bf16}};
  std::vector<Row> all;
  for (const Case& c : kCases) {
    if (size == Size::small && c.batch != 32) continue;
    try {
      const std::vector<Row> rows = nodes_of(c.net, c.batch, c.precision, size);
      all.insert(all.end(), rows.begin(), rows.end());
    } catch (const std::exception& e) {
      all.push_back({"nodes", c.net.name, 0, "error", 0, 0, e.what()});
    }
  }
  return all;
}

}  // namespace hop::bench::gpu
