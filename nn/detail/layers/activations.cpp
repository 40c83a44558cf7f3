// Functions of each element, and softmax.
#include "nn/detail/layers/rows.h"

#include <numbers>

#include "nn/detail/onnx_layers.h"
#include "nn/layers.h"

namespace hop::nn::detail {
namespace {

using enum AttributeType;

// ---- leaky_relu

AnyModule leaky_relu_layer(const Arguments& a, const Shape&) { return std::make_shared<LeakyReLU>(a.number(0)); }

std::string torch_leaky_relu(const Arguments& a, const Shape&) { return "nn.LeakyReLU(" + a.text(0) + ")"; }

OnnxValue leaky_relu(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node("LeakyRelu", {x}, {{"alpha", static_cast<float>(layer.arguments.number(0))}});
}

// ---- softmax

std::string torch_softmax(const Arguments&, const Shape&) { return "nn.Softmax(dim=-1)"; }

// ---- in ONNX

// A node without attributes.
template <const char* Op>
OnnxValue one_node(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node(Op, {x});
}

// x (1 + erf(x / sqrt 2)) / 2, in the order that onnxruntime fuses.
OnnxValue gelu(const OnnxLayer& layer, const OnnxValue& x) {
  OnnxModel& model = layer.model;
  const OnnxValue erf = model.node("Erf", {model.node("Div", {x, model.number(std::numbers::sqrt2_v<float>)})});
  return model.node("Mul", {model.node("Mul", {x, model.node("Add", {erf, model.number(1)})}), model.number(0.5F)});
}

OnnxValue silu(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node("Mul", {x, layer.model.node("Sigmoid", {x})});
}

// ---- the rows

constexpr char kRelu[] = "Relu", kSigmoid[] = "Sigmoid", kTanh[] = "Tanh", kSoftmax[] = "Softmax";
constexpr Attribute kLeakyReLU[] = {{"negative_slope", number, "0.01", 0, kUnlimited, true}};

constexpr std::array kRows = {
    LayerKind{"relu", {}, same_shape, nullptr, plain<ReLU>, torch_plain<ReLU>, one_node<kRelu>},
    LayerKind{"leaky_relu", kLeakyReLU, same_shape, nullptr, leaky_relu_layer, torch_leaky_relu, leaky_relu},
    LayerKind{"sigmoid", {}, same_shape, nullptr, plain<Sigmoid>, torch_plain<Sigmoid>, one_node<kSigmoid>},
    LayerKind{"tanh", {}, same_shape, nullptr, plain<Tanh>, torch_plain<Tanh>, one_node<kTanh>},
    LayerKind{"gelu", {}, same_shape, nullptr, plain<GELU>, torch_plain<GELU>, gelu},
    LayerKind{"silu", {}, same_shape, nullptr, plain<SiLU>, torch_plain<SiLU>, silu},
    LayerKind{"softmax", {}, with_last, nullptr, plain<Softmax>, torch_softmax, one_node<kSoftmax>},
};

}  // namespace

std::span<const LayerKind> activation_layers() { return kRows; }

}  // namespace hop::nn::detail
