// Functions of each element, and softmax.
#include "nn/detail/layers/rows.h"

#include <numbers>

#include "nn/detail/onnx_layers.h"
#include "nn/layers.h"

namespace hop::nn::detail {
namespace {

using enum AttributeType;

// ---- leaky_relu, elu: layers with one number, which ONNX calls alpha

template <class M>
AnyModule with_number(const Arguments& a, const Shape&) {
  return std::make_shared<M>(a.number(0));
}

template <class M>
std::string torch_with_number(const Arguments& a, const Shape&) {
  return "nn." + M().type_name() + "(" + a.text(0) + ")";
}

template <const char* Op>
OnnxValue node_with_alpha(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node(Op, {x}, {{"alpha", static_cast<float>(layer.arguments.number(0))}});
}

// ---- softmax

std::string torch_softmax(const Arguments&, const Shape&) { return "nn.Softmax(dim=-1)"; }

// ---- gelu

constexpr std::string_view kApproximations[] = {"none", "tanh"};
constexpr Attribute kGELU[] = {
    {.name = "approximate", .type = word, .fallback = kApproximations[0], .words = kApproximations}};

bool is_by_tanh(const Arguments& a) { return a.text(0) == kApproximations[1]; }

AnyModule build_gelu(const Arguments& a, const Shape&) {
  const auto approximate = is_by_tanh(a) ? GeluApproximate::tanh : GeluApproximate::none;
  return std::make_shared<GELU>(GELUOptions{approximate});
}

std::string torch_gelu(const Arguments& a, const Shape&) {
  return is_by_tanh(a) ? "nn.GELU(approximate=\"tanh\")" : "nn.GELU()";
}

// ---- in ONNX

constexpr float kSqrtTwoOverPi = 0.7978845608F;

// A node without attributes.
template <const char* Op>
OnnxValue one_node(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node(Op, {x});
}

// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, in the order that onnxruntime fuses.
OnnxValue gelu_by_tanh(OnnxModel& model, const OnnxValue& x) {
  const OnnxValue cube = model.node("Mul", {model.node("Pow", {x, model.number(3)}), model.number(0.044715F)});
  const OnnxValue inner = model.node("Mul", {model.node("Add", {x, cube}), model.number(kSqrtTwoOverPi)});
  const OnnxValue share = model.node("Add", {model.node("Tanh", {inner}), model.number(1)});
  return model.node("Mul", {model.node("Mul", {x, model.number(0.5F)}), share});
}

// x (1 + erf(x / sqrt 2)) / 2, in the order that onnxruntime fuses.
OnnxValue gelu(const OnnxLayer& layer, const OnnxValue& x) {
  OnnxModel& model = layer.model;
  if (is_by_tanh(layer.arguments)) return gelu_by_tanh(model, x);
  const OnnxValue erf = model.node("Erf", {model.node("Div", {x, model.number(std::numbers::sqrt2_v<float>)})});
  return model.node("Mul", {model.node("Mul", {x, model.node("Add", {erf, model.number(1)})}), model.number(0.5F)});
}

OnnxValue silu(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node("Mul", {x, layer.model.node("Sigmoid", {x})});
}

// ---- the rows

constexpr char kRelu[] = "Relu", kLeakyRelu[] = "LeakyRelu", kElu[] = "Elu", kSigmoid[] = "Sigmoid", kTanh[] = "Tanh",
               kSoftmax[] = "Softmax";
constexpr Attribute kLeakyReLU[] = {{"negative_slope", number, "0.01", 0, kUnlimited, true}};
constexpr Attribute kELU[] = {{"alpha", number, "1", 0, kUnlimited, true}};

constexpr std::array kRows = {
    LayerKind{"relu", {}, same_shape, nullptr, plain<ReLU>, torch_plain<ReLU>, one_node<kRelu>},
    LayerKind{"leaky_relu", kLeakyReLU, same_shape, nullptr, with_number<LeakyReLU>, torch_with_number<LeakyReLU>,
              node_with_alpha<kLeakyRelu>},
    LayerKind{"elu", kELU, same_shape, nullptr, with_number<ELU>, torch_with_number<ELU>, node_with_alpha<kElu>},
    LayerKind{"sigmoid", {}, same_shape, nullptr, plain<Sigmoid>, torch_plain<Sigmoid>, one_node<kSigmoid>},
    LayerKind{"tanh", {}, same_shape, nullptr, plain<Tanh>, torch_plain<Tanh>, one_node<kTanh>},
    LayerKind{"gelu", kGELU, same_shape, nullptr, build_gelu, torch_gelu, gelu},
    LayerKind{"silu", {}, same_shape, nullptr, plain<SiLU>, torch_plain<SiLU>, silu},
    LayerKind{"softmax", {}, with_last, nullptr, plain<Softmax>, torch_softmax, one_node<kSoftmax>},
};

}  // namespace

std::span<const LayerKind> activation_layers() { return kRows; }

}  // namespace hop::nn::detail
