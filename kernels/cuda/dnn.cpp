#include "kernels/cuda/dnn.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/error.h"
#include "kernels/cuda/dnn_library_internal.h"
#include "kernels/cuda/runtime.h"
#include "tensor/storage.h"

namespace hop::kernels::cuda::dnn {

#ifdef HOP_HAS_CUDNN
namespace {

constexpr std::size_t kMaxWorkspace = std::size_t{256} << 20;
constexpr std::int64_t kAlignment = 16;

// The names of our three tensors in a plan.
enum Id : std::int64_t { kX = 1, kWeight, kY };
constexpr std::array<std::int64_t, 3> kIds = {kX, kWeight, kY};

/// The target of a plan: the current device, or a device that is only described.
struct Target {
  cudnnHandle_t handle = nullptr;
  std::optional<Descriptor> described;
};

Target described_device(const std::string& json) {
  Target target;
  target.described.emplace(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  target.described->set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, std::span(json.data(), json.size())).finalize();
  return target;
}

// ---- the operation

/// A dense tensor with the sizes (n, c, h, w) or their counterparts.
Descriptor make_tensor(const Convolution& conv, Id id, std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) {
  const std::array<std::int64_t, 4> sizes = {n, c, h, w};
  const std::array<std::int64_t, 4> strides = conv.channels_last ? std::array<std::int64_t, 4>{c * h * w, 1, c * w, c}
                                                                 : std::array<std::int64_t, 4>{c * h * w, h * w, w, 1};
  Descriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, data_type_of(conv.precision));
  tensor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::span<const std::int64_t>(sizes));
  tensor.set(CUDNN_ATTR_TENSOR_STRIDES, std::span<const std::int64_t>(strides));
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, static_cast<std::int64_t>(id));
  tensor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, kAlignment);
  tensor.finalize();
  return tensor;
}

Descriptor make_window(const Conv2dOptions& options) {
  Descriptor window(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  window.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  window.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION);
  window.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2});
  window.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, std::span<const std::int64_t>(options.stride));
  window.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, std::span<const std::int64_t>(options.dilation));
  window.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, std::span<const std::int64_t>(options.padding));
  window.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, std::span<const std::int64_t>(options.padding));
  window.finalize();
  return window;
}

/// cuDNN's names of a pass and its operands.
struct PassNames {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t window, x, weight, y, alpha, beta;
};
PassNames names_of(ConvPass pass) {
  switch (pass) {
    case ConvPass::input_grad:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case ConvPass::weight_grad:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
    case ConvPass::forward:
      break;
  }
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
}

Descriptor make_graph(const Convolution& conv, const Target& target) {
  const ConvSizes& z = conv.sizes;
  const PassNames names = names_of(conv.pass);
  Descriptor operation(names.type);
  operation.set(names.window, make_window(z.options));
  operation.set(names.x, make_tensor(conv, kX, z.n, z.c, z.h, z.w));
  operation.set(names.weight, make_tensor(conv, kWeight, z.k, z.c / z.options.groups, z.r, z.s));
  operation.set(names.y, make_tensor(conv, kY, z.n, z.k, z.p, z.q));
  operation.set(names.alpha, 1.0F).set(names.beta, 0.0F).finalize();

  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
  if (target.handle != nullptr) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, target.handle);
  graph.finalize();
  return graph;
}

// ---- the choice of an engine

/// A heuristic's engine configurations, best first.
std::vector<Descriptor> candidates(const Descriptor& graph, const Target& target, cudnnBackendHeurMode_t mode) {
  constexpr std::int64_t kAtMost = 64;
  Descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph).set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
  if (target.described) heuristic.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.described);
  if (!heuristic.try_finalize()) return {};
  return heuristic.get_descriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, kAtMost);
}

/// Candidates in the order in which they are tried: first by the heuristic that was better for such convolutions on an
/// H100 (docs/gpu-results.md), then by the other, then the fallbacks, which always work. Mode A decides faster, but for
/// gradients of weights, and in bf16 and f16, its choice runs for twice as long or longer.
std::vector<Descriptor> candidates(const Convolution& conv, const Descriptor& graph, const Target& target) {
  const bool thorough = conv.pass == ConvPass::weight_grad || half_of(conv.precision);
  const auto first = thorough ? CUDNN_HEUR_MODE_B : CUDNN_HEUR_MODE_A;
  const auto second = thorough ? CUDNN_HEUR_MODE_A : CUDNN_HEUR_MODE_B;
  std::vector<Descriptor> all;
  for (const cudnnBackendHeurMode_t mode : {first, second, CUDNN_HEUR_MODE_FALLBACK}) {
    for (Descriptor& configuration : candidates(graph, target, mode)) all.push_back(std::move(configuration));
  }
  return all;
}

struct Engine {
  std::int64_t index;
  std::vector<cudnnBackendNumericalNote_t> notes;
  std::vector<cudnnBackendBehaviorNote_t> behavior;
};
Engine engine_of(const Descriptor& configuration) {
  const auto engines = configuration.get_descriptors(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1);
  const Descriptor& engine = engines.at(0);
  constexpr std::int64_t kAtMost = 64;  // more than any header names, because the library may be newer than our header
  return {engine.get_int(CUDNN_ATTR_ENGINE_GLOBAL_INDEX),
          engine.get_all<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, kAtMost),
          engine.get_all<cudnnBackendBehaviorNote_t>(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, kAtMost)};
}

bool is_acceptable(const Engine& engine, Precision precision) {
  const auto has = [&](cudnnBackendNumericalNote_t note) {
    return std::find(engine.notes.begin(), engine.notes.end(), note) != engine.notes.end();
  };
  if (has(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) || has(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)) return false;
  return precision != Precision::strict ||
         !(has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE) || has(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS));
}

std::vector<std::string> names_of(const Engine& engine) {
  static constexpr std::array kNumerical = {"TENSOR_CORE",
                                            "DOWN_CONVERT_INPUTS",
                                            "REDUCED_PRECISION_REDUCTION",
                                            "FFT",
                                            "NONDETERMINISTIC",
                                            "WINOGRAD",
                                            "WINOGRAD_TILE_4x4",
                                            "WINOGRAD_TILE_6x6",
                                            "WINOGRAD_TILE_13x13",
                                            "STRICT_NAN_PROP"};
  static constexpr std::array kBehavior = {"RUNTIME_COMPILATION", "REQUIRES_FILTER_INT8x32_REORDER",
                                           "REQUIRES_BIAS_INT8x32_REORDER", "SUPPORTS_CUDA_GRAPH_NATIVE_API",
                                           "CUBLASLT_DEPENDENCY"};
  const auto name_of = [](const auto& known, const char* kind, auto note) {
    const auto number = static_cast<std::size_t>(note);
    return number < known.size() ? std::string(known[number]) : kind + std::to_string(number);
  };
  std::vector<std::string> names;
  for (const auto note : engine.notes) names.push_back(name_of(kNumerical, "NUMERICAL_", note));
  for (const auto note : engine.behavior) names.push_back(name_of(kBehavior, "BEHAVIOR_", note));
  return names;
}

struct Plan {
  Descriptor executable;
  Choice choice;
  std::optional<Descriptor> graph;  // cuDNN does not promise that `executable` keeps its parts alive
};

/// None if the engine cannot do the convolution or needs too much memory.
std::optional<Plan> plan_of(const Descriptor& configuration, const Engine& engine, const Target& target) {
  Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
  if (target.handle != nullptr) plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, target.handle);
  if (target.described) plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.described);
  if (!plan.try_finalize()) return std::nullopt;
  Choice choice;
  choice.engine = engine.index;
  choice.notes = names_of(engine);
  choice.workspace = static_cast<std::size_t>(plan.get_int(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
  if (choice.workspace > kMaxWorkspace) return std::nullopt;
  return Plan{std::move(plan), std::move(choice), std::nullopt};
}

/// None if no engine is acceptable.
std::optional<Plan> make_plan(const Convolution& conv, const Target& target) {
  Descriptor graph = make_graph(conv, target);
  const std::vector<Descriptor> configurations = candidates(conv, graph, target);
  std::size_t dropped = 0;
  for (const Descriptor& configuration : configurations) {
    const Engine engine = engine_of(configuration);
    if (is_acceptable(engine, conv.precision)) {
      if (std::optional<Plan> plan = plan_of(configuration, engine, target)) {
        plan->choice.offered = configurations.size();
        plan->choice.dropped = dropped;
        plan->graph = std::move(graph);
        return plan;
      }
    }
    ++dropped;
  }
  return std::nullopt;
}

/// A convolution as a key.
std::array<std::int64_t, 19> key_of(const Convolution& conv) {
  const auto& [n, c, h, w, k, r, s, p, q, o] = conv.sizes;
  return {n,
          c,
          h,
          w,
          k,
          r,
          s,
          p,
          q,
          o.stride[0],
          o.stride[1],
          o.padding[0],
          o.padding[1],
          o.dilation[0],
          o.dilation[1],
          o.groups,
          static_cast<std::int64_t>(conv.pass),
          static_cast<std::int64_t>(conv.precision),
          static_cast<std::int64_t>(conv.channels_last)};
}

/// The plan of a convolution on the current device, made once per thread, since handles belong to threads.
const std::optional<Plan>& plan_for(const Convolution& conv, cudnnHandle_t handle) {
  thread_local std::map<std::pair<cudnnHandle_t, std::array<std::int64_t, 19>>, std::optional<Plan>> plans;
  const std::pair key(handle, key_of(conv));
  const auto found = plans.find(key);
  if (found != plans.end()) return found->second;
  return plans.emplace(key, make_plan(conv, Target{handle, std::nullopt})).first->second;
}

const Choice& choice_of(const std::optional<Plan>& plan) {
  if (!plan) throw DeviceError("[conv2d] none of cuDNN's engines is deterministic and of the precision asked for");
  return plan->choice;
}

}  // namespace

bool available() { return functions().why_not.empty(); }
const std::string& why_not_available() { return functions().why_not; }
std::string version() { return available() ? std::to_string(functions().cudnnGetVersion()) : "none"; }

namespace {

void run(const Plan& plan, cudnnHandle_t cudnn, void* x, void* weight, void* y) {
  const Storage workspace(plan.choice.workspace, Device::cuda(static_cast<std::int16_t>(current_device())));
  const std::array<void*, 3> addresses = {x, weight, y};
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, std::span<const std::int64_t>(kIds));
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, std::span<void* const>(addresses));
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, static_cast<void*>(workspace.data())).finalize();
  check(functions().cudnnBackendExecute(cudnn, plan.executable.raw(), pack.raw()), "cudnnBackendExecute");
}

}  // namespace

bool convolve(const Convolution& conv, void* x, void* weight, void* y) {
  const cudnnHandle_t cudnn = handle();
  const std::optional<Plan>& found = plan_for(conv, cudnn);
  if (!found) return false;
  run(*found, cudnn, x, weight, y);
  return true;
}

void for_each_offer(const Convolution& conv, void* x, void* weight, void* y,
                    const std::function<void(const Offer&)>& visit) {
  const Target target{handle(), std::nullopt};
  const Descriptor graph = make_graph(conv, target);
  for (const auto& [mode, name] : {std::pair{CUDNN_HEUR_MODE_A, "A "}, std::pair{CUDNN_HEUR_MODE_B, "B "},
                                   std::pair{CUDNN_HEUR_MODE_FALLBACK, "FALLBACK "}}) {
    int rank = 0;
    for (const Descriptor& configuration : candidates(graph, target, mode)) {
      const Engine engine = engine_of(configuration);
      const std::string place = name + std::to_string(rank++);
      if (const std::optional<Plan> plan = plan_of(configuration, engine, target)) {
        visit(
            {plan->choice, place, is_acceptable(engine, conv.precision), [&] { run(*plan, handle(), x, weight, y); }});
      }
    }
  }
}

Choice choice(const Convolution& conv) { return choice_of(plan_for(conv, handle())); }
Choice choice_for_device(const Convolution& conv, const std::string& description) {
  return choice_of(make_plan(conv, described_device(description)));
}

std::string Choice::to_string() const {
  std::string text = "cuDNN " + std::to_string(functions().cudnnGetVersion()) + ": engine " + std::to_string(engine) +
                     " workspace " + std::to_string(workspace);
  for (const auto& note : notes) text += " " + note;
  return text;
}

#else  // built without cuDNN's headers

bool available() { return false; }
std::string version() { return "none"; }
const std::string& why_not_available() {
  static const std::string why = "this program was built without cuDNN's headers";
  return why;
}
bool convolve(const Convolution&, void*, void*, void*) { throw DeviceError("[cuDNN] " + why_not_available()); }
Choice choice(const Convolution&) { throw DeviceError("[cuDNN] " + why_not_available()); }
Choice choice_for_device(const Convolution&, const std::string&) {
  throw DeviceError("[cuDNN] " + why_not_available());
}
void for_each_offer(const Convolution&, void*, void*, void*, const std::function<void(const Offer&)>&) {
  throw DeviceError("[cuDNN] " + why_not_available());
}
std::string Choice::to_string() const { return "no cuDNN"; }

#endif

}  // namespace hop::kernels::cuda::dnn
