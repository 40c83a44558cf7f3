#include "nn/detail/onnx_layers.h"

#include <array>
#include <numbers>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/view.h"

namespace hop::nn::detail {
namespace {

using Values = std::vector<OnnxValue>;
using Integers = std::vector<std::int64_t>;

Integers pair_of(Size2d size) { return {size.height, size.width}; }
// Above, left, below, right.
Integers around(Size2d padding) { return {padding.height, padding.width, padding.height, padding.width}; }
OnnxAttribute eps(const OnnxLayer& layer, std::size_t argument) {
  return {"epsilon", static_cast<float>(layer.arguments.number(argument))};
}

// ---- layers with weights

OnnxValue conv2d(const OnnxLayer& layer, const OnnxValue& x) {
  const Arguments& a = layer.arguments;
  Values inputs = {x, layer.weight("weight")};
  if (a.flag(6)) inputs.push_back(layer.weight("bias"));
  return layer.model.node("Conv", inputs,
                          {{"kernel_shape", pair_of(a.size(1))},
                           {"strides", pair_of(a.size(2))},
                           {"pads", around(a.size(3))},
                           {"dilations", pair_of(a.size(4))},
                           {"group", a.integer(5)}});
}

OnnxValue linear(const OnnxLayer& layer, const OnnxValue& x) {
  Values inputs = {x, layer.weight("weight")};
  if (layer.arguments.flag(1)) inputs.push_back(layer.weight("bias"));
  return layer.model.node("Gemm", inputs, {{"transB", std::int64_t{1}}});
}

OnnxValue embedding(const OnnxLayer& layer, const OnnxValue& x) {
  const OnnxValue indices = layer.model.node("Cast", {x}, {{"to", static_cast<std::int64_t>(OnnxType::i64)}});
  return layer.model.node("Gather", {layer.weight("weight"), indices});
}

// The tables of all categories stand in one weight: an index and the row where its table begins give the row.
OnnxValue embed(const OnnxLayer& layer, const OnnxValue& x) {
  OnnxModel& model = layer.model;
  const auto columns = static_cast<std::int64_t>(layer.arguments.words().size());
  const std::int64_t numbers = layer.sample[0] - columns;
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    return model.node("Slice", {x, model.integers({begin}), model.integers({end}), model.integers({1})});
  };
  Integers begins;
  for (std::int64_t row = 0; const std::int64_t words : layer.arguments.words()) {
    begins.push_back(row);
    row += words + 1;
  }
  const OnnxValue indices =
      model.node("Cast", {part(numbers, layer.sample[0])}, {{"to", static_cast<std::int64_t>(OnnxType::i64)}});
  const OnnxValue rows = model.node("Add", {indices, model.integers(begins)});
  const OnnxValue vectors = model.node("Flatten", {model.node("Gather", {layer.weight("weight"), rows})});
  if (numbers == 0) return vectors;
  return model.node("Concat", {part(0, numbers), vectors}, {{"axis", std::int64_t{1}}});
}

// A weight that a layer without `affine` does not have: (n) times the same number.
OnnxValue constant(const OnnxLayer& layer, std::int64_t n, double value) {
  return layer.model.tensor(layer.name + (value == 0 ? ".zeros" : ".ones"), kernels::full({n}, value));
}

OnnxValue batch_norm(const OnnxLayer& layer, const OnnxValue& x) {
  const bool affine = layer.arguments.flag(2);
  const std::int64_t channels = layer.sample[0];
  return layer.model.node("BatchNormalization",
                          {x, affine ? layer.weight("weight") : constant(layer, channels, 1),
                           affine ? layer.weight("bias") : constant(layer, channels, 0), layer.weight("running_mean"),
                           layer.weight("running_var")},
                          {eps(layer, 0)});
}

OnnxValue layer_norm(const OnnxLayer& layer, const OnnxValue& x) {
  const bool affine = layer.arguments.flag(1);
  Values inputs = {x, affine ? layer.weight("weight") : constant(layer, layer.sample.back(), 1)};
  if (affine) inputs.push_back(layer.weight("bias"));
  return layer.model.node("LayerNormalization", inputs, {eps(layer, 0)});
}

// ONNX 17 has no groups: each is a channel of its own while it is normalised.
OnnxValue group_norm(const OnnxLayer& layer, const OnnxValue& x) {
  OnnxModel& model = layer.model;
  const std::int64_t groups = layer.arguments.integer(0);
  const auto reshaped = [&](const OnnxValue& value, Integers sizes) {
    sizes.insert(sizes.begin(), 0);  // as many rows as before
    return model.node("Reshape", {value, model.integers(sizes)});
  };
  const OnnxValue split = reshaped(x, {groups, layer.sample.numel() / groups});
  const OnnxValue normal = model.node("InstanceNormalization",
                                      {split, constant(layer, groups, 1), constant(layer, groups, 0)}, {eps(layer, 1)});
  const OnnxValue y = reshaped(normal, Integers(layer.sample.begin(), layer.sample.end()));
  if (!layer.arguments.flag(2)) return y;
  Integers each(static_cast<std::size_t>(layer.sample.size()), 1);  // (C, 1, 1)
  each[0] = layer.sample[0];
  return model.node("Add", {model.node("Mul", {y, layer.weight("weight", each)}), layer.weight("bias", each)});
}

// ---- layers without weights

OnnxValue same(const OnnxLayer&, const OnnxValue& x) { return x; }

OnnxValue flatten(const OnnxLayer& layer, const OnnxValue& x) { return layer.model.node("Flatten", {x}); }
OnnxValue relu(const OnnxLayer& layer, const OnnxValue& x) { return layer.model.node("Relu", {x}); }
OnnxValue sigmoid(const OnnxLayer& layer, const OnnxValue& x) { return layer.model.node("Sigmoid", {x}); }
OnnxValue tanh(const OnnxLayer& layer, const OnnxValue& x) { return layer.model.node("Tanh", {x}); }
OnnxValue softmax(const OnnxLayer& layer, const OnnxValue& x) { return layer.model.node("Softmax", {x}); }

OnnxValue leaky_relu(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node("LeakyRelu", {x}, {{"alpha", static_cast<float>(layer.arguments.number(0))}});
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

std::vector<OnnxAttribute> window(const Arguments& a) {
  const Size2d kernel = a.size(0), stride = a.size(1) == Size2d(0) ? kernel : a.size(1);
  return {{"kernel_shape", pair_of(kernel)}, {"strides", pair_of(stride)}, {"pads", around(a.size(2))}};
}

OnnxValue max_pool(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node("MaxPool", {x}, window(layer.arguments));
}

OnnxValue avg_pool(const OnnxLayer& layer, const OnnxValue& x) {
  std::vector<OnnxAttribute> attributes = window(layer.arguments);
  attributes.push_back({"count_include_pad", std::int64_t{1}});
  return layer.model.node("AveragePool", {x}, attributes);
}

OnnxValue global_avg_pool(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node("Flatten", {layer.model.node("GlobalAveragePool", {x})});
}

// ---- the table

constexpr std::array kLayers = {
    OnnxLayerKind{"conv2d", conv2d},
    OnnxLayerKind{"linear", linear},
    OnnxLayerKind{"embedding", embedding},
    OnnxLayerKind{"embed", embed},
    OnnxLayerKind{"batchnorm1d", batch_norm},
    OnnxLayerKind{"batchnorm2d", batch_norm},
    OnnxLayerKind{"layernorm", layer_norm},
    OnnxLayerKind{"groupnorm", group_norm},
    OnnxLayerKind{"dropout", same},  // of evaluation
    OnnxLayerKind{"flatten", flatten},
    OnnxLayerKind{"identity", same},
    OnnxLayerKind{"relu", relu},
    OnnxLayerKind{"leaky_relu", leaky_relu},
    OnnxLayerKind{"sigmoid", sigmoid},
    OnnxLayerKind{"tanh", tanh},
    OnnxLayerKind{"gelu", gelu},
    OnnxLayerKind{"silu", silu},
    OnnxLayerKind{"softmax", softmax},
    OnnxLayerKind{"max_pool2d", max_pool},
    OnnxLayerKind{"avg_pool2d", avg_pool},
    OnnxLayerKind{"global_avg_pool2d", global_avg_pool},
    OnnxLayerKind{"random_crop", same},  // of evaluation, too
    OnnxLayerKind{"random_horizontal_flip", same},
};

}  // namespace

OnnxValue OnnxLayer::weight(std::string_view which) const {
  const std::string full = name + "." + std::string(which);
  for (const NamedTensor& entry : state) {
    if (entry.name == full) return model.tensor(full, kernels::cast(entry.tensor.detach(), DType::f32));
  }
  throw StateError("[onnx] expected a tensor " + full + ", got a model without it");
}

OnnxValue OnnxLayer::weight(std::string_view which, const std::vector<std::int64_t>& shape) const {
  return model.node("Reshape", {weight(which), model.integers(shape)});
}

const OnnxLayerKind& onnx_layer_kind(std::string_view name) {
  for (const OnnxLayerKind& kind : kLayers) {
    if (kind.name == name) return kind;
  }
  throw ConfigError("[onnx] expected layers that ONNX has, got \"" + std::string(name) +
                    "\": export the model as .safetensors");
}

}  // namespace hop::nn::detail
