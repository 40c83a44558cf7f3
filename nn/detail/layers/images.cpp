// Layers that move a window over an image (C, H, W): convolution and pooling.
#include "nn/detail/layers/rows.h"

#include "base/error.h"
#include "kernels/conv.h"
#include "nn/detail/onnx_layers.h"
#include "nn/layers.h"

namespace hop::nn::detail {
namespace {

using enum AttributeType;

using Integers = std::vector<std::int64_t>;

// ---- sizes in two dimensions

std::string python_size(Size2d size) {
  return size.height == size.width ? std::to_string(size.height)
                                   : "(" + std::to_string(size.height) + ", " + std::to_string(size.width) + ")";
}

Integers pair_of(Size2d size) { return {size.height, size.width}; }

// Above, left, below, right.
Integers around(Size2d padding) { return {padding.height, padding.width, padding.height, padding.width}; }

// ---- conv2d

Conv2dOptions conv_options(const Arguments& a) {
  return {
      .stride = a.size(2), .padding = a.padding(3), .dilation = a.size(4), .groups = a.integer(5), .bias = a.flag(6)};
}

Shape conv_shape(const Arguments& a, const Shape& sample) {
  image_shape(a, sample);
  const Conv2dOptions o = conv_options(a);
  if (o.padding.is_same && o.stride != Size2d(1)) throw ConfigError("expected a stride of 1 with padding=same");
  if (sample[0] % o.groups != 0 || a.integer(0) % o.groups != 0) {
    throw ShapeError("expected channels divisible by groups, got " + std::to_string(sample[0]) + " and " +
                     std::to_string(a.integer(0)) + " for " + std::to_string(o.groups) + " groups");
  }
  if (o.padding.is_same) return {a.integer(0), sample[1], sample[2]};
  const Shape y = kernels::conv2d_shape({1, sample[0], sample[1], sample[2]},
                                        {a.integer(0), sample[0] / o.groups, a.size(1).height, a.size(1).width},
                                        {o.stride.array(), o.padding.size.array(), o.dilation.array(), o.groups});
  return {y[1], y[2], y[3]};
}

double conv_elements(const Arguments& a, const Shape& sample) {
  const double inputs = real(sample[0]) / real(a.integer(5)) * real(a.size(1).height) * real(a.size(1).width);
  return real(a.integer(0)) * (inputs + (a.flag(6) ? 1 : 0));
}

AnyModule conv(const Arguments& a, const Shape& sample) {
  return std::make_shared<Conv2d>(sample[0], a.integer(0), a.size(1), conv_options(a));
}

std::string torch_conv(const Arguments& a, const Shape& sample) {
  return "nn.Conv2d(" + std::to_string(sample[0]) + ", " + a.text(0) + ", " + python_size(a.size(1)) +
         ", stride=" + python_size(a.size(2)) +
         ", padding=" + (a.padding(3).is_same ? "\"same\"" : python_size(a.size(3))) +
         ", dilation=" + python_size(a.size(4)) + ", groups=" + a.text(5) + ", bias=" + python(a.flag(6)) + ")";
}

Integers conv_pads(const Arguments& a) {
  if (!a.padding(3).is_same) return around(a.size(3));
  const std::int64_t rows = a.size(4).height * (a.size(1).height - 1),
                     columns = a.size(4).width * (a.size(1).width - 1);
  return {rows / 2, columns / 2, rows - rows / 2, columns - columns / 2};
}

OnnxValue conv2d(const OnnxLayer& layer, const OnnxValue& x) {
  const Arguments& a = layer.arguments;
  std::vector<OnnxValue> inputs = {x, layer.weight("weight")};
  if (a.flag(6)) inputs.push_back(layer.weight("bias"));
  return layer.model.node("Conv", inputs,
                          {{"kernel_shape", pair_of(a.size(1))},
                           {"strides", pair_of(a.size(2))},
                           {"pads", conv_pads(a)},
                           {"dilations", pair_of(a.size(4))},
                           {"group", a.integer(5)}});
}

// ---- max_pool2d, avg_pool2d

PoolOptions pool_options(const Arguments& a) {
  PoolOptions options{.padding = a.size(2)};
  if (a.size(1) != Size2d(0)) options.stride = a.size(1);
  return options;
}

Shape pool_shape(const Arguments& a, const Shape& sample) {
  image_shape(a, sample);
  const auto [kernel, options] = std::pair(a.size(0), pool_options(a));
  const Size2d stride = options.stride.value_or(kernel), padding = options.padding;
  if (stride.height < 1 || stride.width < 1) throw ConfigError("expected strides of at least 1");
  if (2 * padding.height > kernel.height || 2 * padding.width > kernel.width) {
    throw ConfigError("expected padding of at most half the kernel");
  }
  const std::int64_t height = sample[1] + 2 * padding.height - kernel.height;
  const std::int64_t width = sample[2] + 2 * padding.width - kernel.width;
  if (height < 0 || width < 0) expected_shape("an image at least as large as the window", sample);
  return {sample[0], height / stride.height + 1, width / stride.width + 1};
}

template <class M>
AnyModule pool(const Arguments& a, const Shape&) {
  return std::make_shared<M>(a.size(0), pool_options(a));
}

template <char Kind>
std::string torch_pool(const Arguments& a, const Shape&) {
  const PoolOptions options = pool_options(a);
  return std::string(Kind == 'm' ? "nn.MaxPool2d(" : "nn.AvgPool2d(") + python_size(a.size(0)) +
         ", stride=" + python_size(options.stride.value_or(a.size(0))) + ", padding=" + python_size(options.padding) +
         ")";
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

// ---- global_avg_pool2d

Shape channels(const Arguments& a, const Shape& sample) { return {image_shape(a, sample)[0]}; }

std::string torch_global_pool(const Arguments&, const Shape&) {
  return "nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())";
}

OnnxValue global_avg_pool(const OnnxLayer& layer, const OnnxValue& x) {
  return layer.model.node("Flatten", {layer.model.node("GlobalAveragePool", {x})});
}

// ---- the rows

constexpr Attribute kConv2d[] = {{"out_channels", integer, "", 1, kUnlimited, true},
                                 {"kernel_size", size, "", 1, 1e4, true},
                                 {"stride", size, "1", 1, 1e4},
                                 {"padding", padding, "0", 0, 1e4},
                                 {"dilation", size, "1", 1, 1e4},
                                 {"groups", integer, "1", 1},
                                 {"bias", flag, "true"}};
constexpr Attribute kPool[] = {{"kernel_size", size, "", 1, 1e4, true},
                               {"stride", size, "0", 0, 1e4},  // 0: equal to the kernel
                               {"padding", size, "0", 0, 1e4}};

constexpr std::array kRows = {
    LayerKind{"conv2d", kConv2d, conv_shape, conv_elements, conv, torch_conv, conv2d},
    LayerKind{"max_pool2d", kPool, pool_shape, nullptr, pool<MaxPool2d>, torch_pool<'m'>, max_pool},
    LayerKind{"avg_pool2d", kPool, pool_shape, nullptr, pool<AvgPool2d>, torch_pool<'a'>, avg_pool},
    LayerKind{"global_avg_pool2d", {}, channels, nullptr, plain<GlobalAvgPool2d>, torch_global_pool, global_avg_pool},
};

}  // namespace

std::span<const LayerKind> image_layers() { return kRows; }

}  // namespace hop::nn::detail
