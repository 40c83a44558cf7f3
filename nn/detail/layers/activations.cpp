// Functions of each element, and softmax.
#include "nn/detail/layers/rows.h"

#include <numbers>

#include "base/error.h"
#include "nn/detail/onnx_layers.h"
#include "nn/layers.h"

namespace hop::nn::detail {
namespace {

using enum AttributeType;

// ---- layers with one number, which ONNX calls alpha

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

// ---- layers with two numbers

template <class M>
AnyModule with_numbers(const Arguments& a, const Shape&) {
  return std::make_shared<M>(a.number(0), a.number(1));
}

template <class M>
std::string torch_with_numbers(const Arguments& a, const Shape&) {
  return "nn." + M().type_name() + "(" + a.text(0) + ", " + a.text(1) + ")";
}

// ---- hardtanh, threshold

Shape limited(const Arguments& a, const Shape& sample) {
  if (a.number(0) < a.number(1)) return sample;
  throw ConfigError("expected min_val below max_val, got " + a.text(0) + " and " + a.text(1));
}

// Has no default values.
std::string torch_threshold(const Arguments& a, const Shape&) {
  return "nn.Threshold(" + a.text(0) + ", " + a.text(1) + ")";
}

// ---- prelu

Shape with_slopes(const Arguments& a, const Shape& sample) {
  const std::int64_t channels = with_last(a, sample)[0];
  if (a.integer(0) == 1 || a.integer(0) == channels) return sample;
  throw ShapeError("expected num_parameters of 1, or of " + std::to_string(channels) +
                   ": one for each channel of the input " + sample.to_string() + ", got " + a.text(0));
}

double prelu_elements(const Arguments& a, const Shape&) { return real(a.integer(0)); }

AnyModule prelu_layer(const Arguments& a, const Shape&) {
  return std::make_shared<PReLU>(a.integer(0), PReLUOptions{.init = a.number(1)});
}

std::string torch_prelu(const Arguments& a, const Shape&) {
  return "nn.PReLU(" + a.text(0) + ", init=" + a.text(1) + ")";
}

// ---- softmax, log_softmax, glu: along the last dimension

template <class M>
std::string torch_along_last(const Arguments&, const Shape&) {
  return "nn." + M().type_name() + "(dim=-1)";
}

Shape halved(const Arguments& a, const Shape& sample) {
  if (with_last(a, sample).back() % 2 != 0) expected_shape("an even number of values in the last dimension", sample);
  Shape y = sample;
  y[y.size() - 1] /= 2;
  return y;
}

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

// A node without attributes, or with ONNX's defaults.
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

OnnxValue gelu(const OnnxLayer& layer, const OnnxValue& x) {
  return is_by_tanh(layer.arguments) ? gelu_by_tanh(layer.model, x) : onnx_gelu(layer.model, x);
}

OnnxValue silu(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node("Mul", {x, layer.model.node("Sigmoid", {x})});
}

OnnxValue clipped(const OnnxLayer& layer, const OnnxValue& x, double least, double most) {
  return layer.model.node(
      "Clip", {x, layer.model.number(static_cast<float>(least)), layer.model.number(static_cast<float>(most))});
}

OnnxValue relu6(const OnnxLayer& layer, const OnnxValue& x) { return clipped(layer, x, 0, 6); }

OnnxValue hardtanh(const OnnxLayer& layer, const OnnxValue& x) {
  return clipped(layer, x, layer.arguments.number(0), layer.arguments.number(1));
}

OnnxValue hardsigmoid(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node("HardSigmoid", {x}, {{"alpha", 1.0F / 6}, {"beta", 0.5F}});
}

// x tanh(log(1 + exp(x)))
OnnxValue mish(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node("Mul", {x, layer.model.node("Tanh", {layer.model.node("Softplus", {x})})});
}

OnnxValue softplus(const OnnxLayer& layer, const OnnxValue& x) {
  OnnxModel& model = layer.model;
  const OnnxValue beta = model.number(static_cast<float>(layer.arguments.number(0))),
                  threshold = model.number(static_cast<float>(layer.arguments.number(1)));
  const OnnxValue scaled = model.node("Mul", {x, beta});
  const OnnxValue smooth = model.node("Div", {model.node("Softplus", {scaled}), beta});
  return model.node("Where", {model.node("Greater", {scaled, threshold}), x, smooth});
}

// The logarithm of a sigmoid that is 0 would be minus infinity.
OnnxValue logsigmoid(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node("Neg", {layer.model.node("Softplus", {layer.model.node("Neg", {x})})});
}

OnnxValue tanhshrink(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node("Sub", {x, layer.model.node("Tanh", {x})});
}

template <bool Soft>
OnnxValue shrink(const OnnxLayer& layer, const OnnxValue& x) {
  const float lambd = static_cast<float>(layer.arguments.number(0));
  return layer.model.node("Shrink", {x}, {{"lambd", lambd}, {"bias", Soft ? lambd : 0.0F}});
}

OnnxValue threshold(const OnnxLayer& layer, const OnnxValue& x) {
  OnnxModel& model = layer.model;
  const OnnxValue limit = model.number(static_cast<float>(layer.arguments.number(0))),
                  value = model.number(static_cast<float>(layer.arguments.number(1)));
  return model.node("Where", {model.node("Greater", {x, limit}), x, value});
}

// ONNX's slopes broadcast from behind: (C, 1, 1).
OnnxValue prelu(const OnnxLayer& layer, const OnnxValue& x) {
  std::vector<std::int64_t> each(static_cast<std::size_t>(layer.sample.size()), 1);
  each[0] = layer.arguments.integer(0);
  return layer.model.node("PRelu", {x, layer.weight("weight", each)});
}

OnnxValue glu(const OnnxLayer& layer, const OnnxValue& x) {
  OnnxModel& model = layer.model;
  const std::int64_t half = layer.sample.back() / 2;
  const auto part = [&](std::int64_t begin) {
    return model.node("Slice", {x, model.integers({begin}), model.integers({begin + half}), model.integers({-1})});
  };
  return model.node("Mul", {part(0), model.node("Sigmoid", {part(half)})});
}

// ---- the rows

constexpr char kRelu[] = "Relu", kLeakyRelu[] = "LeakyRelu", kElu[] = "Elu", kSigmoid[] = "Sigmoid", kTanh[] = "Tanh",
               kSoftmax[] = "Softmax", kLogSoftmax[] = "LogSoftmax", kSelu[] = "Selu", kCelu[] = "Celu",
               kSoftsign[] = "Softsign", kHardSwish[] = "HardSwish";
constexpr Attribute kLeakyReLU[] = {{"negative_slope", number, "0.01", 0, kUnlimited, true}};
constexpr Attribute kELU[] = {{"alpha", number, "1", 0, kUnlimited, true}};
constexpr Attribute kCELU[] = {{"alpha", number, "1", 1e-9, kUnlimited, true}};
constexpr Attribute kPReLU[] = {{"num_parameters", integer, "1", 1, kUnlimited, true},
                                {"init", number, "0.25", -kUnlimited, kUnlimited}};
constexpr Attribute kHardtanh[] = {{"min_val", number, "-1", -kUnlimited, kUnlimited, true},
                                   {"max_val", number, "1", -kUnlimited, kUnlimited, true}};
constexpr Attribute kSoftplus[] = {{"beta", number, "1", 1e-9, kUnlimited, true}, {"threshold", number, "20"}};
constexpr Attribute kShrink[] = {{"lambd", number, "0.5", 0, kUnlimited, true}};
constexpr Attribute kThreshold[] = {{"threshold", number, "", -kUnlimited, kUnlimited, true},
                                    {"value", number, "", -kUnlimited, kUnlimited, true}};

constexpr std::array kRows = {
    LayerKind{"relu", {}, same_shape, nullptr, plain<ReLU>, torch_plain<ReLU>, one_node<kRelu>},
    LayerKind{"leaky_relu", kLeakyReLU, same_shape, nullptr, with_number<LeakyReLU>, torch_with_number<LeakyReLU>,
              node_with_alpha<kLeakyRelu>},
    LayerKind{"elu", kELU, same_shape, nullptr, with_number<ELU>, torch_with_number<ELU>, node_with_alpha<kElu>},
    LayerKind{"sigmoid", {}, same_shape, nullptr, plain<Sigmoid>, torch_plain<Sigmoid>, one_node<kSigmoid>},
    LayerKind{"tanh", {}, same_shape, nullptr, plain<Tanh>, torch_plain<Tanh>, one_node<kTanh>},
    LayerKind{"gelu", kGELU, same_shape, nullptr, build_gelu, torch_gelu, gelu},
    LayerKind{"silu", {}, same_shape, nullptr, plain<SiLU>, torch_plain<SiLU>, silu},
    LayerKind{"softmax", {}, with_last, nullptr, plain<Softmax>, torch_along_last<Softmax>, one_node<kSoftmax>},
    LayerKind{
        "log_softmax", {}, with_last, nullptr, plain<LogSoftmax>, torch_along_last<LogSoftmax>, one_node<kLogSoftmax>},
    LayerKind{"prelu", kPReLU, with_slopes, prelu_elements, prelu_layer, torch_prelu, prelu},
    LayerKind{"relu6", {}, same_shape, nullptr, plain<ReLU6>, torch_plain<ReLU6>, relu6},
    LayerKind{"selu", {}, same_shape, nullptr, plain<SELU>, torch_plain<SELU>, one_node<kSelu>},
    LayerKind{"celu", kCELU, same_shape, nullptr, with_number<CELU>, torch_with_number<CELU>, node_with_alpha<kCelu>},
    LayerKind{"mish", {}, same_shape, nullptr, plain<Mish>, torch_plain<Mish>, mish},
    LayerKind{"softplus", kSoftplus, same_shape, nullptr, with_numbers<Softplus>, torch_with_numbers<Softplus>,
              softplus},
    LayerKind{"softsign", {}, same_shape, nullptr, plain<Softsign>, torch_plain<Softsign>, one_node<kSoftsign>},
    LayerKind{"logsigmoid", {}, same_shape, nullptr, plain<LogSigmoid>, torch_plain<LogSigmoid>, logsigmoid},
    LayerKind{"hardtanh", kHardtanh, limited, nullptr, with_numbers<Hardtanh>, torch_with_numbers<Hardtanh>, hardtanh},
    LayerKind{"hardsigmoid", {}, same_shape, nullptr, plain<Hardsigmoid>, torch_plain<Hardsigmoid>, hardsigmoid},
    LayerKind{"hardswish", {}, same_shape, nullptr, plain<Hardswish>, torch_plain<Hardswish>, one_node<kHardSwish>},
    LayerKind{"hardshrink", kShrink, same_shape, nullptr, with_number<Hardshrink>, torch_with_number<Hardshrink>,
              shrink<false>},
    LayerKind{"softshrink", kShrink, same_shape, nullptr, with_number<Softshrink>, torch_with_number<Softshrink>,
              shrink<true>},
    LayerKind{"tanhshrink", {}, same_shape, nullptr, plain<Tanhshrink>, torch_plain<Tanhshrink>, tanhshrink},
    LayerKind{"threshold", kThreshold, same_shape, nullptr, with_numbers<Threshold>, torch_threshold, threshold},
    LayerKind{"glu", {}, halved, nullptr, plain<GLU>, torch_along_last<GLU>, glu},
};

}  // namespace

// In the order that onnxruntime fuses.
OnnxValue onnx_gelu(OnnxModel& model, const OnnxValue& x) {
  const OnnxValue erf = model.node("Erf", {model.node("Div", {x, model.number(std::numbers::sqrt2_v<float>)})});
  return model.node("Mul", {model.node("Mul", {x, model.node("Add", {erf, model.number(1)})}), model.number(0.5F)});
}

std::span<const LayerKind> activation_layers() { return kRows; }

}  // namespace hop::nn::detail
