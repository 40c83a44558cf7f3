// Layers that move a window over a sequence (C, L), and those that make a sequence of a row or of tokens.
#include "nn/detail/layers/rows.h"

#include <cmath>

#include "base/error.h"
#include "nn/detail/convolution.h"
#include "nn/detail/layers/onnx_windows.h"
#include "nn/detail/onnx_layers.h"
#include "nn/layers.h"

namespace hop::nn::detail {
namespace {

using enum AttributeType;
using Integers = std::vector<std::int64_t>;

// ---- conv1d

std::int64_t one_padding(const Arguments& a) {
  const Size2d padding = a.padding(3).size;
  if (padding.height == padding.width) return padding.height;
  throw ConfigError("expected padding=same or one number, got padding=" + a.text(3));
}

Conv1dOptions conv_options(const Arguments& a) {
  return {.stride = a.integer(2),
          .padding = a.padding(3).is_same ? Padding1d(kSame) : Padding1d(one_padding(a)),
          .dilation = a.integer(4),
          .groups = a.integer(5),
          .bias = a.flag(6),
          .padding_mode = a.padding_mode(7)};
}

struct Sides {
  std::int64_t before, behind;
};

Sides conv_pads(const Arguments& a) {
  if (!a.padding(3).is_same) return {one_padding(a), one_padding(a)};
  const std::int64_t both = a.integer(4) * (a.integer(1) - 1);
  return {both / 2, both - both / 2};
}

/// A mirror shows at most the values behind the first one, a circle all of them, zeros and copies any number.
void check_pads(const Arguments& a, std::int64_t n) {
  const PadMode mode = a.padding_mode(7);
  if (mode == PadMode::constant || mode == PadMode::replicate) return;
  const std::int64_t most = n - (mode == PadMode::reflect ? 1 : 0), pads = conv_pads(a).behind;
  if (pads <= most) return;
  throw ShapeError("expected padding of at most " + std::to_string(most) + " with padding_mode=" + a.text(7) +
                   ", got " + std::to_string(pads));
}

Shape conv_shape(const Arguments& a, const Shape& sample) {
  sequence_shape(a, sample);
  const Conv1dOptions o = conv_options(a);
  if (o.padding.is_same && o.stride != 1) throw ConfigError("expected a stride of 1 with padding=same");
  if (sample[0] % o.groups != 0 || a.integer(0) % o.groups != 0) {
    throw ShapeError("expected channels divisible by groups, got " + std::to_string(sample[0]) + " and " + a.text(0) +
                     " for " + a.text(5) + " groups");
  }
  check_pads(a, sample[1]);
  const Sides pads = conv_pads(a);
  const std::int64_t left = sample[1] + pads.before + pads.behind - o.dilation * (a.integer(1) - 1) - 1;
  if (left < 0) expected_shape("a sequence (C, L) at least as long as the kernel", sample);
  return {a.integer(0), left / o.stride + 1};
}

double conv_elements(const Arguments& a, const Shape& sample) {
  const double inputs = real(sample[0]) / real(a.integer(5)) * real(a.integer(1));
  return real(a.integer(0)) * (inputs + (a.flag(6) ? 1 : 0));
}

AnyModule conv(const Arguments& a, const Shape& sample) {
  return std::make_shared<Conv1d>(sample[0], a.integer(0), a.integer(1), conv_options(a));
}

std::string torch_conv(const Arguments& a, const Shape& sample) {
  return "nn.Conv1d(" + std::to_string(sample[0]) + ", " + a.text(0) + ", " + a.text(1) + ", stride=" + a.text(2) +
         ", padding=" + (a.padding(3).is_same ? "\"same\"" : a.text(3)) + ", dilation=" + a.text(4) +
         ", groups=" + a.text(5) + ", bias=" + python(a.flag(6)) +
         (a.padding_mode(7) == PadMode::constant ? ")" : ", padding_mode=\"" + a.text(7) + "\")");
}

OnnxValue onnx_conv(const OnnxLayer& layer, const OnnxValue& x) {
  const Arguments& a = layer.arguments;
  const Sides pads = conv_pads(a);
  const bool has_zeros = a.padding_mode(7) == PadMode::constant;
  const OnnxAxis axis{2, layer.sample[1], true};
  std::vector<OnnxValue> inputs = {
      has_zeros ? x : onnx_padded(layer.model, x, a.padding_mode(7), axis, pads.before, pads.behind),
      layer.weight("weight")};
  if (a.flag(6)) inputs.push_back(layer.weight("bias"));
  return layer.model.node("Conv", inputs,
                          {{"kernel_shape", Integers{a.integer(1)}},
                           {"strides", Integers{a.integer(2)}},
                           {"pads", has_zeros ? Integers{pads.before, pads.behind} : Integers{0, 0}},
                           {"dilations", Integers{a.integer(4)}},
                           {"group", a.integer(5)}});
}

// ---- max_pool1d, avg_pool1d

std::int64_t stride_of(const Arguments& a) { return a.integer(1) == 0 ? a.integer(0) : a.integer(1); }

Pool1dOptions pool_options(const Arguments& a) { return {.stride = stride_of(a), .padding = a.integer(2)}; }

Shape pooled(const Arguments& a, const Shape& sample) {
  sequence_shape(a, sample);
  if (2 * a.integer(2) > a.integer(0)) throw ConfigError("expected padding of at most half the kernel");
  const std::int64_t left = sample[1] + 2 * a.integer(2) - a.integer(0);
  if (left < 0) expected_shape("a sequence (C, L) at least as long as the window", sample);
  return {sample[0], left / stride_of(a) + 1};
}

template <class M>
AnyModule pool(const Arguments& a, const Shape&) {
  return std::make_shared<M>(a.integer(0), pool_options(a));
}

template <class M>
std::string torch_pool(const Arguments& a, const Shape&) {
  return "nn." + M(1).type_name() + "(" + a.text(0) + ", stride=" + std::to_string(stride_of(a)) +
         ", padding=" + a.text(2) + ")";
}

std::vector<OnnxAttribute> window(const Arguments& a) {
  return {{"kernel_shape", Integers{a.integer(0)}},
          {"strides", Integers{stride_of(a)}},
          {"pads", Integers{a.integer(2), a.integer(2)}}};
}

OnnxValue max_pool(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node("MaxPool", {x}, window(layer.arguments));
}

OnnxValue avg_pool(const OnnxLayer& layer, const OnnxValue& x) {
  std::vector<OnnxAttribute> attributes = window(layer.arguments);
  attributes.push_back({"count_include_pad", std::int64_t{1}});
  return layer.model.node("AveragePool", {x}, attributes);
}

// ---- adaptive_avg_pool1d, adaptive_max_pool1d

Shape pooled_to_length(const Arguments& a, const Shape& sample) { return {sequence_shape(a, sample)[0], a.integer(0)}; }

template <class M>
AnyModule adaptive_pool(const Arguments& a, const Shape&) {
  return std::make_shared<M>(a.integer(0));
}

template <class M>
std::string torch_adaptive_pool(const Arguments& a, const Shape&) {
  return "nn." + M(1).type_name() + "(" + a.text(0) + ")";
}

template <OnnxValue of_windows(OnnxModel&, const OnnxValue&, const OnnxAxis&, std::int64_t windows)>
OnnxValue onnx_adaptive_pool(const OnnxLayer& layer, const OnnxValue& x) {
  return of_windows(layer.model, x, {2, layer.sample[1], true}, layer.arguments.integer(0));
}

// ---- unflatten

Shape sizes_of(const Arguments& a) {
  Shape sizes;
  for (const double size : a.numbers(0)) {
    if (size != std::floor(size)) throw ConfigError("expected whole numbers as sizes, got " + a.text(0));
    if (sizes.size() == 4) throw ConfigError("expected at most 4 sizes, got " + a.text(0));
    sizes.push_back(static_cast<std::int64_t>(size));
  }
  return sizes;
}

Shape unflattened(const Arguments& a, const Shape& sample) {
  double elements = 1;
  for (const double size : a.numbers(0)) elements *= size;
  if (elements != real(vector_shape(a, sample)[0]))
    expected_shape("a row of as many values as sizes of " + a.text(0) + " make", sample);
  return sizes_of(a);
}

AnyModule unflatten(const Arguments& a, const Shape&) { return std::make_shared<Unflatten>(1, sizes_of(a)); }

std::string torch_unflatten(const Arguments& a, const Shape&) { return "nn.Unflatten(1, (" + a.text(0) + ",))"; }

OnnxValue onnx_unflatten(const OnnxLayer& layer, const OnnxValue& x) {
  Integers sizes = {0};  // as many rows as before
  for (const std::int64_t size : sizes_of(layer.arguments)) sizes.push_back(size);
  return layer.model.node("Reshape", {x, layer.model.integers(sizes)});
}

// ---- transpose: tokens (T, E) as a sequence of E channels, and the other way round

Shape turned(const Arguments&, const Shape& sample) {
  if (sample.size() != 2) expected_shape("tokens (T, E) or a sequence (C, L)", sample);
  return {sample[1], sample[0]};
}

// A class of the script.
std::string torch_transpose(const Arguments&, const Shape&) { return "Tokens(\"transpose\")"; }

OnnxValue onnx_transpose(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node("Transpose", {x}, {{"perm", Integers{0, 2, 1}}});
}

// ---- the rows

constexpr Attribute kConv1d[] = {{"out_channels", integer, "", 1, kUnlimited, true},
                                 {"kernel_size", integer, "", 1, 1e6, true},
                                 {"stride", integer, "1", 1, 1e6},
                                 {"padding", padding, "0", 0, 1e6},
                                 {"dilation", integer, "1", 1, 1e6},
                                 {"groups", integer, "1", 1},
                                 {"bias", flag, "true"},
                                 {.name = "padding_mode", .type = word, .fallback = "zeros", .words = kPaddingModes}};
constexpr Attribute kPool[] = {{"kernel_size", integer, "", 1, 1e6, true},
                               {"stride", integer, "0", 0, 1e6},  // 0: equal to the kernel
                               {"padding", integer, "0", 0, 1e6}};
constexpr Attribute kAdaptivePool[] = {{"output_size", integer, "", 1, 1e6, true}};
constexpr Attribute kUnflatten[] = {{"sizes", numbers, "", 1, kUnlimited, true}};

constexpr std::array kRows = {
    LayerKind{"conv1d", kConv1d, conv_shape, conv_elements, conv, torch_conv, onnx_conv},
    LayerKind{"max_pool1d", kPool, pooled, nullptr, pool<MaxPool1d>, torch_pool<MaxPool1d>, max_pool},
    LayerKind{"avg_pool1d", kPool, pooled, nullptr, pool<AvgPool1d>, torch_pool<AvgPool1d>, avg_pool},
    LayerKind{"adaptive_avg_pool1d", kAdaptivePool, pooled_to_length, nullptr, adaptive_pool<AdaptiveAvgPool1d>,
              torch_adaptive_pool<AdaptiveAvgPool1d>, onnx_adaptive_pool<onnx_window_means>},
    LayerKind{"adaptive_max_pool1d", kAdaptivePool, pooled_to_length, nullptr, adaptive_pool<AdaptiveMaxPool1d>,
              torch_adaptive_pool<AdaptiveMaxPool1d>, onnx_adaptive_pool<onnx_window_maxima>},
    LayerKind{"unflatten", kUnflatten, unflattened, nullptr, unflatten, torch_unflatten, onnx_unflatten},
    LayerKind{"transpose", {}, turned, nullptr, plain<TransposeTokens>, torch_transpose, onnx_transpose},
};

}  // namespace

std::span<const LayerKind> sequence_layers() { return kRows; }

}  // namespace hop::nn::detail
