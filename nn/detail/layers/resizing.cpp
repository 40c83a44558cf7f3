// Layers that give an image (C, H, W) another height and width, or bring its channels into another order.
#include "nn/detail/layers/rows.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "nn/detail/layers/onnx_windows.h"
#include "nn/detail/onnx_layers.h"
#include "nn/layers.h"

namespace hop::nn::detail {
namespace {

using enum AttributeType;
using Integers = std::vector<std::int64_t>;

// ---- conv_transpose2d

ConvTranspose2dOptions transpose_options(const Arguments& a) {
  return {.stride = a.size(2),
          .padding = a.size(3),
          .output_padding = a.size(4),
          .groups = a.integer(6),
          .bias = a.flag(7),
          .dilation = a.size(5)};
}

std::int64_t transposed_size(const Arguments& a, std::size_t dim, std::int64_t n) {
  const auto at = [&](std::size_t attribute) { return a.size(attribute).array()[dim]; };
  const std::int64_t kernel = at(1), stride = at(2), padding = at(3), more = at(4), dilation = at(5);
  if (more >= std::max(stride, dilation)) {
    throw ConfigError("expected an output_padding below the stride or the dilation, got " + std::to_string(more) +
                      " for a stride of " + std::to_string(stride) + " and a dilation of " + std::to_string(dilation));
  }
  const std::int64_t size = (n - 1) * stride - 2 * padding + dilation * (kernel - 1) + more + 1;
  if (size >= 1) return size;
  throw ShapeError("expected a padding that leaves something of the result, got " + std::to_string(padding) +
                   " on each side of " + std::to_string(size + 2 * padding));
}

Shape transposed(const Arguments& a, const Shape& sample) {
  image_shape(a, sample);
  const std::int64_t groups = a.integer(6);
  if (sample[0] % groups != 0 || a.integer(0) % groups != 0) {
    throw ShapeError("expected channels divisible by groups, got " + std::to_string(sample[0]) + " and " + a.text(0) +
                     " for " + a.text(6) + " groups");
  }
  return {a.integer(0), transposed_size(a, 0, sample[1]), transposed_size(a, 1, sample[2])};
}

double transposed_elements(const Arguments& a, const Shape& sample) {
  const double kernel = real(a.size(1).height) * real(a.size(1).width);
  return real(a.integer(0)) * (real(sample[0]) / real(a.integer(6)) * kernel + (a.flag(7) ? 1 : 0));
}

AnyModule conv_transpose(const Arguments& a, const Shape& sample) {
  return std::make_shared<ConvTranspose2d>(sample[0], a.integer(0), a.size(1), transpose_options(a));
}

std::string torch_conv_transpose(const Arguments& a, const Shape& sample) {
  return "nn.ConvTranspose2d(" + std::to_string(sample[0]) + ", " + a.text(0) + ", " + python_size(a.size(1)) +
         ", stride=" + python_size(a.size(2)) + ", padding=" + python_size(a.size(3)) +
         ", output_padding=" + python_size(a.size(4)) + ", groups=" + a.text(6) + ", bias=" + python(a.flag(7)) +
         ", dilation=" + python_size(a.size(5)) + ")";
}

OnnxValue onnx_conv_transpose(const OnnxLayer& layer, const OnnxValue& x) {
  const Arguments& a = layer.arguments;
  std::vector<OnnxValue> inputs = {x, layer.weight("weight")};
  if (a.flag(7)) inputs.push_back(layer.weight("bias"));
  return layer.model.node("ConvTranspose", inputs,
                          {{"kernel_shape", pair_of(a.size(1))},
                           {"strides", pair_of(a.size(2))},
                           {"pads", around(a.size(3))},
                           {"output_padding", pair_of(a.size(4))},
                           {"dilations", pair_of(a.size(5))},
                           {"group", a.integer(6)}});
}

// ---- adaptive_avg_pool2d, adaptive_max_pool2d

Shape pooled_to_size(const Arguments& a, const Shape& sample) {
  return {image_shape(a, sample)[0], a.size(0).height, a.size(0).width};
}

AnyModule adaptive_avg_pool(const Arguments& a, const Shape&) { return std::make_shared<AdaptiveAvgPool2d>(a.size(0)); }

AnyModule adaptive_max_pool(const Arguments& a, const Shape&) { return std::make_shared<AdaptiveMaxPool2d>(a.size(0)); }

template <class M>
std::string torch_adaptive_pool(const Arguments& a, const Shape&) {
  return std::string("nn.") + M(1).type_name() + "(" + python_size(a.size(0)) + ")";
}

/// Rows, then columns.
template <OnnxValue pool(OnnxModel&, const OnnxValue&, const OnnxAxis&, std::int64_t windows)>
OnnxValue onnx_adaptive_pool(const OnnxLayer& layer, const OnnxValue& x) {
  const Size2d size = layer.arguments.size(0);
  const OnnxValue rows = pool(layer.model, x, {2, layer.sample[1]}, size.height);
  return pool(layer.model, rows, {3, layer.sample[2], true}, size.width);
}

// ---- upsample

constexpr std::string_view kModes[] = {"nearest", "bilinear", "bicubic"};
constexpr InterpolateMode kModesOfModule[] = {InterpolateMode::nearest, InterpolateMode::bilinear,
                                              InterpolateMode::bicubic};

bool is_nearest(const Arguments& a) { return a.text(1) == kModes[0]; }

Shape upsampled(const Arguments& a, const Shape& sample) {
  image_shape(a, sample);
  if (is_nearest(a) && a.flag(2)) throw ConfigError("expected align_corners with mode=bilinear or mode=bicubic");
  return {sample[0], sample[1] * a.size(0).height, sample[2] * a.size(0).width};
}

AnyModule upsample(const Arguments& a, const Shape&) {
  const Size2d factor = a.size(0);
  if (is_nearest(a)) return std::make_shared<Upsample>(factor);
  const auto mode = std::ranges::find(kModes, a.text(1)) - std::begin(kModes);
  return std::make_shared<Upsample>(InterpolateOptions{.scale_factor = {real(factor.height), real(factor.width)},
                                                       .mode = kModesOfModule[mode],
                                                       .align_corners = a.flag(2)});
}

std::string torch_upsample(const Arguments& a, const Shape&) {
  return "nn.Upsample(scale_factor=" + python_size(a.size(0)) + ", mode=\"" + a.text(1) + "\"" +
         (is_nearest(a) ? "" : ", align_corners=" + python(a.flag(2))) + ")";
}

OnnxValue onnx_upsample(const OnnxLayer& layer, const OnnxValue& x) {
  const Arguments& a = layer.arguments;
  const Size2d factor = a.size(0);
  const std::vector<float> each = {1, 1, static_cast<float>(factor.height), static_cast<float>(factor.width)};
  const OnnxValue factors = layer.model.tensor(layer.name + ".factors", Tensor::from(std::span(each), {4}));
  std::vector<OnnxAttribute> attributes;
  if (is_nearest(a)) {
    attributes = {{"mode", "nearest"}, {"nearest_mode", "floor"}, {"coordinate_transformation_mode", "asymmetric"}};
  } else {
    attributes = {{"mode", a.text(1) == kModes[1] ? "linear" : "cubic"},
                  {"coordinate_transformation_mode", a.flag(2) ? "align_corners" : "half_pixel"},
                  {"cubic_coeff_a", -0.75F}};  // PyTorch's, and the default
  }
  return layer.model.node("Resize", {x, "", factors}, attributes);
}

// ---- pixel_shuffle, pixel_unshuffle

Shape shuffled(const Arguments& a, const Shape& sample) {
  const std::int64_t factor = a.integer(0), squared = factor * factor;
  if (image_shape(a, sample)[0] % squared != 0)
    expected_shape("an image (C, H, W) whose channels " + std::to_string(squared) + " divides", sample);
  return {sample[0] / squared, sample[1] * factor, sample[2] * factor};
}

Shape unshuffled(const Arguments& a, const Shape& sample) {
  const std::int64_t factor = a.integer(0);
  image_shape(a, sample);
  if (sample[1] % factor != 0 || sample[2] % factor != 0)
    expected_shape("an image (C, H, W) whose height and width " + a.text(0) + " divides", sample);
  return {sample[0] * factor * factor, sample[1] / factor, sample[2] / factor};
}

template <class M>
AnyModule shuffle(const Arguments& a, const Shape&) {
  return std::make_shared<M>(a.integer(0));
}

template <class M>
std::string torch_shuffle(const Arguments& a, const Shape&) {
  return "nn." + M(1).type_name() + "(" + a.text(0) + ")";
}

OnnxValue pixel_shuffle(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node("DepthToSpace", {x}, {{"blocksize", layer.arguments.integer(0)}, {"mode", "CRD"}});
}

// SpaceToDepth has another order of channels.
OnnxValue pixel_unshuffle(const OnnxLayer& layer, const OnnxValue& x) {
  OnnxModel& model = layer.model;
  const std::int64_t factor = layer.arguments.integer(0), channels = layer.sample[0], rows = layer.sample[1] / factor,
                     columns = layer.sample[2] / factor;
  const OnnxValue split = model.node("Reshape", {x, model.integers({0, channels, rows, factor, columns, factor})});
  const OnnxValue turned = model.node("Transpose", {split}, {{"perm", Integers{0, 1, 3, 5, 2, 4}}});
  return model.node("Reshape", {turned, model.integers({0, channels * factor * factor, rows, columns})});
}

// ---- the rows

constexpr Attribute kConvTranspose2d[] = {{"out_channels", integer, "", 1, kUnlimited, true},
                                          {"kernel_size", size, "", 1, 1e4, true},
                                          {"stride", size, "1", 1, 1e4},
                                          {"padding", size, "0", 0, 1e4},
                                          {"output_padding", size, "0", 0, 1e4},
                                          {"dilation", size, "1", 1, 1e4},
                                          {"groups", integer, "1", 1},
                                          {"bias", flag, "true"}};
constexpr Attribute kAdaptivePool[] = {{"output_size", size, "", 1, 1e4, true}};
constexpr Attribute kUpsample[] = {{"scale_factor", size, "", 1, 1e4, true},
                                   {.name = "mode", .type = word, .fallback = kModes[0], .words = kModes},
                                   {"align_corners", flag, "false"}};
constexpr Attribute kUpscale[] = {{"upscale_factor", integer, "", 1, 1e4, true}};
constexpr Attribute kDownscale[] = {{"downscale_factor", integer, "", 1, 1e4, true}};

constexpr std::array kRows = {
    LayerKind{"conv_transpose2d", kConvTranspose2d, transposed, transposed_elements, conv_transpose,
              torch_conv_transpose, onnx_conv_transpose},
    LayerKind{"adaptive_avg_pool2d", kAdaptivePool, pooled_to_size, nullptr, adaptive_avg_pool,
              torch_adaptive_pool<AdaptiveAvgPool2d>, onnx_adaptive_pool<onnx_window_means>},
    LayerKind{"adaptive_max_pool2d", kAdaptivePool, pooled_to_size, nullptr, adaptive_max_pool,
              torch_adaptive_pool<AdaptiveMaxPool2d>, onnx_adaptive_pool<onnx_window_maxima>},
    LayerKind{"upsample", kUpsample, upsampled, nullptr, upsample, torch_upsample, onnx_upsample},
    LayerKind{"pixel_shuffle", kUpscale, shuffled, nullptr, shuffle<PixelShuffle>, torch_shuffle<PixelShuffle>,
              pixel_shuffle},
    LayerKind{"pixel_unshuffle", kDownscale, unshuffled, nullptr, shuffle<PixelUnshuffle>,
              torch_shuffle<PixelUnshuffle>, pixel_unshuffle},
};

}  // namespace

std::span<const LayerKind> resizing_layers() { return kRows; }

}  // namespace hop::nn::detail
