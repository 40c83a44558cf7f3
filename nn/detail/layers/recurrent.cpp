// Recurrent layers over tokens (T, E).
#include "nn/detail/layers/rows.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/copy.h"
#include "nn/detail/onnx_layers.h"
#include "nn/layers.h"

namespace hop::nn::detail {
namespace {

using enum AttributeType;
using Integers = std::vector<std::int64_t>;

// The attributes of all, in their order. An RNN has its nonlinearity behind them.
enum : std::size_t { kHidden, kLayers, kBias, kDropout, kBidirectional, kLast, kNonlinearity };

constexpr std::string_view kNonlinearities[] = {"tanh", "relu"};

std::int64_t directions(const Arguments& a) { return a.flag(kBidirectional) ? 2 : 1; }
std::int64_t width(const Arguments& a) { return directions(a) * a.integer(kHidden); }

Shape outputs(const Arguments& a, const Shape& sample) {
  const std::int64_t tokens = token_shape(a, sample)[0];
  return a.flag(kLast) ? Shape{width(a)} : Shape{tokens, width(a)};
}

/// A gate has a row for each hidden value: weights of the input and of the state, and two biases.
template <int Gates>
double elements(const Arguments& a, const Shape& sample) {
  const double hidden = real(a.integer(kHidden)), bias = a.flag(kBias) ? 2 : 0;
  const double first = real(sample[1]) + hidden + bias, later = real(width(a)) + hidden + bias;
  return real(directions(a)) * Gates * hidden * (first + (real(a.integer(kLayers)) - 1) * later);
}

// ---- the module

template <class Layer>
struct OptionsOf {
  using Type = RecurrentOptions;
};
template <>
struct OptionsOf<RNN> {
  using Type = RNNOptions;
};

template <class Layer>
AnyModule build(const Arguments& a, const Shape& sample) {
  typename OptionsOf<Layer>::Type options;
  options.num_layers = a.integer(kLayers);
  options.bias = a.flag(kBias);
  options.batch_first = true;
  options.dropout = a.number(kDropout);
  options.bidirectional = a.flag(kBidirectional);
  if constexpr (std::is_same_v<Layer, RNN>) {
    if (a.text(kNonlinearity) == kNonlinearities[1]) options.nonlinearity = RNNNonlinearity::relu;
  }
  if (a.flag(kLast)) return std::make_shared<LastState<Layer>>(sample[1], a.integer(kHidden), options);
  return std::make_shared<Layer>(sample[1], a.integer(kHidden), options);
}

// ---- in PyTorch: a class of the script, made from PyTorch's

template <const char* Name>
std::string torch(const Arguments& a, const Shape& sample) {
  std::string text = "recurrent(nn." + std::string(Name) + ")(" + std::to_string(sample[1]) + ", " + a.text(kHidden) +
                     ", num_layers=" + a.text(kLayers) + ", bias=" + python(a.flag(kBias)) +
                     ", dropout=" + a.text(kDropout) + ", bidirectional=" + python(a.flag(kBidirectional)) +
                     ", last=" + python(a.flag(kLast));
  if constexpr (std::string_view(Name) == "RNN") text += ", nonlinearity=\"" + a.text(kNonlinearity) + "\"";
  return text + ")";
}

// ---- in ONNX

const Tensor& tensor_of(const OnnxLayer& layer, const std::string& which) {
  const auto found = std::ranges::find(layer.state, layer.name + "." + which, &NamedTensor::name);
  if (found == layer.state.end()) throw StateError("[onnx] expected a tensor " + layer.name + "." + which);
  return found->tensor;
}

/// One of PyTorch's tensors for every direction, with its gates in ONNX's order: gate i is PyTorch's `order[i]`.
/// Several names stand behind each other.
Tensor gates_of(const OnnxLayer& layer, const std::vector<std::string>& names, std::int64_t step, const Integers& order,
                Shape shape) {
  const Tensor all = Tensor::empty(shape, DType::f32);
  float* to = all.data<float>();
  for (std::int64_t d = 0; d < directions(layer.arguments); ++d) {
    for (const std::string& name : names) {
      const std::string full = name + "_l" + std::to_string(step) + (d == 0 ? "" : "_reverse");
      const Tensor from = kernels::contiguous(kernels::cast(tensor_of(layer, full).detach(), DType::f32));
      const std::int64_t size = from.numel() / static_cast<std::int64_t>(order.size());
      for (const std::int64_t gate : order) {
        std::memcpy(to, from.data<float>() + gate * size, static_cast<std::size_t>(size) * sizeof(float));
        to += size;
      }
    }
  }
  return all;
}

struct Kind {
  const char* op;
  Integers order;  ///< of the gates
};

/// One layer over x (T, N, E) -> (T, N, D hidden).
OnnxValue step(const OnnxLayer& layer, const OnnxValue& x, std::int64_t i, std::int64_t inputs, const Kind& kind) {
  OnnxModel& model = layer.model;
  const Arguments& a = layer.arguments;
  const std::int64_t d = directions(a), hidden = a.integer(kHidden),
                     rows = hidden * static_cast<std::int64_t>(kind.order.size());
  const std::string name = layer.name + ".l" + std::to_string(i);
  std::vector<OnnxValue> all = {
      x, model.tensor(name + ".W", gates_of(layer, {"weight_ih"}, i, kind.order, {d, rows, inputs})),
      model.tensor(name + ".R", gates_of(layer, {"weight_hh"}, i, kind.order, {d, rows, hidden}))};
  if (a.flag(kBias))
    all.push_back(model.tensor(name + ".B", gates_of(layer, {"bias_ih", "bias_hh"}, i, kind.order, {d, 2 * rows})));
  std::vector<OnnxAttribute> attributes = {{"hidden_size", hidden},
                                           {"direction", d == 2 ? "bidirectional" : "forward"}};
  if (kind.order.size() == 3) attributes.push_back({"linear_before_reset", std::int64_t{1}});
  if (kind.order.size() == 1) {
    const char* function = a.text(kNonlinearity) == kNonlinearities[1] ? "Relu" : "Tanh";
    attributes.push_back({"activations", std::vector<std::string>(static_cast<std::size_t>(d), function)});
  }
  const OnnxValue y = model.node(kind.op, all, attributes);  // (T, D, N, hidden)
  const OnnxValue turned = model.node("Transpose", {y}, {{"perm", Integers{0, 2, 1, 3}}});
  return model.node("Reshape", {turned, model.integers({0, 0, d * hidden})});
}

/// Of a sequence (T, N, D hidden): what each direction knows at its end.
OnnxValue last_states(const OnnxLayer& layer, const OnnxValue& y) {
  OnnxModel& model = layer.model;
  const auto at = [&](std::int64_t t) {
    return model.node(
        "Squeeze", {model.node("Gather", {y, model.integers({t})}, {{"axis", std::int64_t{0}}}), model.integers({0})});
  };
  if (!layer.arguments.flag(kBidirectional)) return at(-1);
  const std::int64_t hidden = layer.arguments.integer(kHidden);
  const auto half = [&](const OnnxValue& x, std::int64_t begin) {
    return model.node("Slice", {x, model.integers({begin}), model.integers({begin + hidden}), model.integers({1})});
  };
  return model.node("Concat", {half(at(-1), 0), half(at(0), hidden)}, {{"axis", std::int64_t{1}}});
}

OnnxValue nodes(const OnnxLayer& layer, const OnnxValue& x, const Kind& kind) {
  OnnxValue y = layer.model.node("Transpose", {x}, {{"perm", Integers{1, 0, 2}}});
  for (std::int64_t i = 0; i < layer.arguments.integer(kLayers); ++i)
    y = step(layer, y, i, i == 0 ? layer.sample[1] : width(layer.arguments), kind);
  if (layer.arguments.flag(kLast)) return last_states(layer, y);
  return layer.model.node("Transpose", {y}, {{"perm", Integers{1, 0, 2}}});
}

// PyTorch's gates are input, forget, cell, output; ONNX's input, output, forget, cell.
OnnxValue lstm(const OnnxLayer& layer, const OnnxValue& x) { return nodes(layer, x, {"LSTM", {0, 3, 1, 2}}); }
// Reset, update, new; update, reset, new.
OnnxValue gru(const OnnxLayer& layer, const OnnxValue& x) { return nodes(layer, x, {"GRU", {1, 0, 2}}); }
OnnxValue rnn(const OnnxLayer& layer, const OnnxValue& x) { return nodes(layer, x, {"RNN", {0}}); }

// ---- the rows

constexpr char kLSTM[] = "LSTM", kGRU[] = "GRU", kRNN[] = "RNN";
constexpr Attribute kHiddenSize = {"hidden_size", integer, "", 1, 1e6, true},
                    kNumLayers = {"num_layers", integer, "1", 1, 1e3, true}, kHasBias = {"bias", flag, "true"},
                    kDrops = {"dropout", number, "0", 0, 1}, kIsBidirectional = {"bidirectional", flag, "false"},
                    kIsLast = {"last", flag, "false"};
constexpr Attribute kGated[] = {kHiddenSize, kNumLayers, kHasBias, kDrops, kIsBidirectional, kIsLast};
constexpr Attribute kElman[] = {
    kHiddenSize,
    kNumLayers,
    kHasBias,
    kDrops,
    kIsBidirectional,
    kIsLast,
    {.name = "nonlinearity", .type = word, .fallback = kNonlinearities[0], .words = kNonlinearities}};

constexpr std::array kRows = {
    LayerKind{"lstm", kGated, outputs, elements<4>, build<LSTM>, torch<kLSTM>, lstm},
    LayerKind{"gru", kGated, outputs, elements<3>, build<GRU>, torch<kGRU>, gru},
    LayerKind{"rnn", kElman, outputs, elements<1>, build<RNN>, torch<kRNN>, rnn},
};

}  // namespace

std::span<const LayerKind> recurrent_layers() { return kRows; }

}  // namespace hop::nn::detail
