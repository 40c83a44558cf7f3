// Layers that bring features to mean 0 and variance 1: by statistics of the batch or of the row, or by given numbers.
#include "nn/detail/layers/rows.h"

#include <limits>

#include "kernels/copy.h"
#include "nn/detail/onnx_layers.h"
#include "nn/layers.h"

namespace hop::nn::detail {
namespace {

using enum AttributeType;
using Integers = std::vector<std::int64_t>;

// ---- in ONNX

OnnxAttribute eps(const OnnxLayer& layer, std::size_t argument) {
  return {"epsilon", static_cast<float>(layer.arguments.number(argument))};
}

// A weight that a layer without `affine` does not have: (n) times the same number.
OnnxValue constant(const OnnxLayer& layer, std::int64_t n, double value) {
  return layer.model.tensor(layer.name + (value == 0 ? ".zeros" : ".ones"), kernels::full({n}, value));
}

// ---- in PyTorch

/// Older versions do not know the argument.
std::string without_bias(bool bias) { return bias ? "" : ", bias=False"; }

// ---- batchnorm1d, batchnorm2d

// (C), or (C, L).
Shape vector_or_sequence(const Arguments& a, const Shape& sample) {
  return sample.size() == 2 ? sample : vector_shape(a, sample);
}

double batch_norm_elements(const Arguments&, const Shape& sample) { return 4 * real(sample[0]) + 2; }

template <class M>
AnyModule batch_norm(const Arguments& a, const Shape& sample) {
  return std::make_shared<M>(
      sample[0],
      BatchNormOptions{.eps = a.number(0), .momentum = a.optional_number(1), .affine = a.flag(2), .bias = a.flag(3)});
}

template <int Dims>
std::string torch_batch_norm(const Arguments& a, const Shape& sample) {
  return "nn.BatchNorm" + std::to_string(Dims) + "d(" + std::to_string(sample[0]) + ", eps=" + a.text(0) +
         ", momentum=" + (a.optional_number(1) ? a.text(1) : "None") + ", affine=" + python(a.flag(2)) +
         without_bias(a.flag(3)) + ")";
}

OnnxValue onnx_batch_norm(const OnnxLayer& layer, const OnnxValue& x) {
  const bool affine = layer.arguments.flag(2);
  const std::int64_t channels = layer.sample[0];
  return layer.model.node("BatchNormalization",
                          {x, affine ? layer.weight("weight") : constant(layer, channels, 1),
                           affine && layer.arguments.flag(3) ? layer.weight("bias") : constant(layer, channels, 0),
                           layer.weight("running_mean"), layer.weight("running_var")},
                          {eps(layer, 0)});
}

// ---- layernorm

double layer_norm_elements(const Arguments&, const Shape& sample) { return 2 * real(sample.back()); }

AnyModule layer_norm_layer(const Arguments& a, const Shape& sample) {
  return std::make_shared<LayerNorm>(
      Shape{sample.back()}, LayerNormOptions{.eps = a.number(0), .elementwise_affine = a.flag(1), .bias = a.flag(2)});
}

std::string torch_layer_norm(const Arguments& a, const Shape& sample) {
  return "nn.LayerNorm(" + std::to_string(sample.back()) + ", eps=" + a.text(0) +
         ", elementwise_affine=" + python(a.flag(1)) + without_bias(a.flag(2)) + ")";
}

OnnxValue layer_norm(const OnnxLayer& layer, const OnnxValue& x) {
  const bool affine = layer.arguments.flag(1);
  std::vector<OnnxValue> inputs = {x, affine ? layer.weight("weight") : constant(layer, layer.sample.back(), 1)};
  if (affine && layer.arguments.flag(2)) inputs.push_back(layer.weight("bias"));
  return layer.model.node("LayerNormalization", inputs, {eps(layer, 0)});
}

// ---- groupnorm

Shape grouped(const Arguments& a, const Shape& sample) {
  if (sample.empty() || sample[0] % a.integer(0) != 0)
    expected_shape("channels (C, ..) that " + std::to_string(a.integer(0)) + " groups divide", sample);
  return sample;
}

double group_norm_elements(const Arguments& a, const Shape& sample) { return a.flag(2) ? 2 * real(sample[0]) : 0; }

AnyModule group_norm_layer(const Arguments& a, const Shape& sample) {
  return std::make_shared<GroupNorm>(a.integer(0), sample[0],
                                     GroupNormOptions{.eps = a.number(1), .affine = a.flag(2), .bias = a.flag(3)});
}

std::string torch_group_norm(const Arguments& a, const Shape& sample) {
  return "nn.GroupNorm(" + a.text(0) + ", " + std::to_string(sample[0]) + ", eps=" + a.text(1) +
         ", affine=" + python(a.flag(2)) + without_bias(a.flag(3)) + ")";
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
  const OnnxValue scaled = model.node("Mul", {y, layer.weight("weight", each)});
  return layer.arguments.flag(3) ? model.node("Add", {scaled, layer.weight("bias", each)}) : scaled;
}

// ---- instancenorm1d, instancenorm2d

Shape many_values(const Shape& sample) {
  if (sample.numel() == sample[0]) expected_shape("more than one value in each channel", sample);
  return sample;
}

Shape instances_1d(const Arguments& a, const Shape& sample) { return many_values(sequence_shape(a, sample)); }
Shape instances_2d(const Arguments& a, const Shape& sample) { return many_values(image_shape(a, sample)); }

double instance_norm_elements(const Arguments& a, const Shape& sample) {
  return (a.flag(2) ? 2 * real(sample[0]) : 0) + (a.flag(3) ? 2 * real(sample[0]) + 2 : 0);
}

template <class M>
AnyModule instance_norm(const Arguments& a, const Shape& sample) {
  return std::make_shared<M>(
      sample[0],
      InstanceNormOptions{
          .eps = a.number(0), .momentum = a.optional_number(1), .affine = a.flag(2), .track_running_stats = a.flag(3)});
}

template <int Dims>
std::string torch_instance_norm(const Arguments& a, const Shape& sample) {
  return "nn.InstanceNorm" + std::to_string(Dims) + "d(" + std::to_string(sample[0]) + ", eps=" + a.text(0) +
         ", momentum=" + (a.optional_number(1) ? a.text(1) : "None") + ", affine=" + python(a.flag(2)) +
         ", track_running_stats=" + python(a.flag(3)) + ")";
}

OnnxValue onnx_instance_norm(const OnnxLayer& layer, const OnnxValue& x) {
  const bool affine = layer.arguments.flag(2), tracks = layer.arguments.flag(3);
  const std::int64_t channels = layer.sample[0];
  std::vector<OnnxValue> inputs = {x, affine ? layer.weight("weight") : constant(layer, channels, 1),
                                   affine ? layer.weight("bias") : constant(layer, channels, 0)};
  if (tracks) inputs.insert(inputs.end(), {layer.weight("running_mean"), layer.weight("running_var")});
  return layer.model.node(tracks ? "BatchNormalization" : "InstanceNormalization", inputs, {eps(layer, 0)});
}

// ---- rmsnorm

double rms_norm_elements(const Arguments& a, const Shape& sample) { return a.flag(1) ? real(sample.back()) : 0; }

AnyModule rms_norm_layer(const Arguments& a, const Shape& sample) {
  return std::make_shared<RMSNorm>(Shape{sample.back()},
                                   RMSNormOptions{.eps = a.optional_number(0), .elementwise_affine = a.flag(1)});
}

std::string torch_rms_norm(const Arguments& a, const Shape& sample) {
  return "nn.RMSNorm(" + std::to_string(sample.back()) + ", eps=" + (a.optional_number(0) ? a.text(0) : "None") +
         ", elementwise_affine=" + python(a.flag(1)) + ")";
}

OnnxValue rms_norm(const OnnxLayer& layer, const OnnxValue& x) {
  OnnxModel& model = layer.model;
  const double least = layer.arguments.optional_number(0).value_or(std::numeric_limits<float>::epsilon());
  const OnnxValue squares =
      model.node("ReduceMean", {model.node("Mul", {x, x})}, {{"axes", Integers{-1}}, {"keepdims", std::int64_t{1}}});
  const OnnxValue size = model.node("Sqrt", {model.node("Add", {squares, model.number(static_cast<float>(least))})});
  const OnnxValue normal = model.node("Div", {x, size});
  return layer.arguments.flag(1) ? model.node("Mul", {normal, layer.weight("weight")}) : normal;
}

// ---- normalize

Shape normalized(const Arguments& a, const Shape& sample) {
  const auto channels = static_cast<std::size_t>(image_shape(a, sample)[0]);
  for (std::size_t i = 0; i < 2; ++i) {
    if (a.numbers(i).size() == channels) continue;
    expected_shape(
        "an image of " + std::to_string(a.numbers(i).size()) + " channels, one for each " + (i == 0 ? "mean" : "std"),
        sample);
  }
  return sample;
}

double normalize_elements(const Arguments&, const Shape& sample) { return 2 * real(sample[0]); }

AnyModule normalize_layer(const Arguments& a, const Shape&) {
  return std::make_shared<Normalize>(a.numbers(0), a.numbers(1));
}

// A class of the script.
std::string torch_normalize(const Arguments& a, const Shape&) {
  return "Normalize([" + a.text(0) + "], [" + a.text(1) + "])";
}

OnnxValue normalize(const OnnxLayer& layer, const OnnxValue& x) {
  const Integers each = {layer.sample[0], 1, 1};
  return layer.model.node("Div", {layer.model.node("Sub", {x, layer.weight("mean", each)}), layer.weight("std", each)});
}

// ---- the rows

constexpr Attribute kBatchNorm[] = {{"eps", number, "1e-05"},
                                    {.name = "momentum", .type = number, .fallback = "0.1", .optional = true},
                                    {"affine", flag, "true"},
                                    {"bias", flag, "true"}};
constexpr Attribute kLayerNorm[] = {
    {"eps", number, "1e-05"}, {"elementwise_affine", flag, "true"}, {"bias", flag, "true"}};
constexpr Attribute kGroupNorm[] = {{"num_groups", integer, "", 1, kUnlimited, true},
                                    {"eps", number, "1e-05"},
                                    {"affine", flag, "true"},
                                    {"bias", flag, "true"}};
constexpr Attribute kInstanceNorm[] = {{"eps", number, "1e-05"},
                                       {.name = "momentum", .type = number, .fallback = "0.1", .optional = true},
                                       {"affine", flag, "false"},
                                       {"track_running_stats", flag, "false"}};
constexpr Attribute kRMSNorm[] = {{.name = "eps", .type = number, .fallback = "none", .optional = true},
                                  {"elementwise_affine", flag, "true"}};
constexpr Attribute kNormalize[] = {{"mean", numbers, "", -kUnlimited, kUnlimited, true},
                                    {"std", numbers, "", 1e-9, kUnlimited, true}};

constexpr std::array kRows = {
    LayerKind{"batchnorm1d", kBatchNorm, vector_or_sequence, batch_norm_elements, batch_norm<BatchNorm1d>,
              torch_batch_norm<1>, onnx_batch_norm},
    LayerKind{"batchnorm2d", kBatchNorm, image_shape, batch_norm_elements, batch_norm<BatchNorm2d>, torch_batch_norm<2>,
              onnx_batch_norm},
    LayerKind{"layernorm", kLayerNorm, with_last, layer_norm_elements, layer_norm_layer, torch_layer_norm, layer_norm},
    LayerKind{"groupnorm", kGroupNorm, grouped, group_norm_elements, group_norm_layer, torch_group_norm, group_norm},
    LayerKind{"instancenorm1d", kInstanceNorm, instances_1d, instance_norm_elements, instance_norm<InstanceNorm1d>,
              torch_instance_norm<1>, onnx_instance_norm},
    LayerKind{"instancenorm2d", kInstanceNorm, instances_2d, instance_norm_elements, instance_norm<InstanceNorm2d>,
              torch_instance_norm<2>, onnx_instance_norm},
    LayerKind{"rmsnorm", kRMSNorm, with_last, rms_norm_elements, rms_norm_layer, torch_rms_norm, rms_norm},
    LayerKind{"normalize", kNormalize, normalized, normalize_elements, normalize_layer, torch_normalize, normalize},
};

}  // namespace

std::span<const LayerKind> normalization_layers() { return kRows; }

}  // namespace hop::nn::detail
