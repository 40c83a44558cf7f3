// Layers that move a window over an image (C, H, W): convolution and pooling.
#include "nn/detail/layers/rows.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "kernels/conv.h"
#include "kernels/pool.h"
#include "nn/detail/convolution.h"
#include "nn/detail/layers/onnx_windows.h"
#include "nn/detail/onnx_layers.h"
#include "nn/layers.h"

namespace hop::nn::detail {
namespace {

using enum AttributeType;

using Integers = std::vector<std::int64_t>;

// ---- conv2d

Conv2dOptions conv_options(const Arguments& a) {
  return {.stride = a.size(2),
          .padding = a.padding(3),
          .dilation = a.size(4),
          .groups = a.integer(5),
          .bias = a.flag(6),
          .padding_mode = a.padding_mode(7)};
}

/// Above, left, below, right.
Integers conv_pads(const Arguments& a) {
  if (!a.padding(3).is_same) return around(a.size(3));
  const std::int64_t rows = a.size(4).height * (a.size(1).height - 1),
                     columns = a.size(4).width * (a.size(1).width - 1);
  return {rows / 2, columns / 2, rows - rows / 2, columns - columns / 2};
}

/// A mirror shows at most the values behind the first one, a circle all of them, zeros and copies any number.
void check_pads(const Arguments& a, const Shape& sample) {
  const PadMode mode = a.padding_mode(7);
  if (mode == PadMode::constant || mode == PadMode::replicate) return;
  const Integers pads = conv_pads(a);
  for (std::size_t side = 0; side < 4; ++side) {
    const std::int64_t most = sample[side % 2 == 0 ? 1 : 2] - (mode == PadMode::reflect ? 1 : 0);
    if (pads[side] > most) {
      throw ShapeError("expected padding of at most " + std::to_string(most) + " with padding_mode=" + a.text(7) +
                       ", got " + std::to_string(pads[side]));
    }
  }
}

Shape conv_shape(const Arguments& a, const Shape& sample) {
  image_shape(a, sample);
  const Conv2dOptions o = conv_options(a);
  if (o.padding.is_same && o.stride != Size2d(1)) throw ConfigError("expected a stride of 1 with padding=same");
  if (sample[0] % o.groups != 0 || a.integer(0) % o.groups != 0) {
    throw ShapeError("expected channels divisible by groups, got " + std::to_string(sample[0]) + " and " +
                     std::to_string(a.integer(0)) + " for " + std::to_string(o.groups) + " groups");
  }
  check_pads(a, sample);
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
         ", dilation=" + python_size(a.size(4)) + ", groups=" + a.text(5) + ", bias=" + python(a.flag(6)) +
         (a.padding_mode(7) == PadMode::constant ? ")" : ", padding_mode=\"" + a.text(7) + "\")");
}

/// The padded image, in the modes that ONNX's convolution lacks: a gather for rows and one for columns.
OnnxValue padded(const OnnxLayer& layer, OnnxValue x, const Integers& pads) {
  for (std::size_t d = 0; d < 2; ++d) {
    const OnnxAxis axis{static_cast<std::int64_t>(d) + 2, layer.sample[static_cast<int>(d) + 1]};
    x = onnx_padded(layer.model, x, layer.arguments.padding_mode(7), axis, pads[d], pads[d + 2]);
  }
  return x;
}

OnnxValue conv2d(const OnnxLayer& layer, const OnnxValue& x) {
  const Arguments& a = layer.arguments;
  const bool has_zeros = a.padding_mode(7) == PadMode::constant;
  std::vector<OnnxValue> inputs = {has_zeros ? x : padded(layer, x, conv_pads(a)), layer.weight("weight")};
  if (a.flag(6)) inputs.push_back(layer.weight("bias"));
  return layer.model.node("Conv", inputs,
                          {{"kernel_shape", pair_of(a.size(1))},
                           {"strides", pair_of(a.size(2))},
                           {"pads", has_zeros ? conv_pads(a) : Integers(4, 0)},
                           {"dilations", pair_of(a.size(4))},
                           {"group", a.integer(5)}});
}

// ---- max_pool2d, avg_pool2d

// The attributes behind kernel_size, stride and padding.
constexpr std::size_t kDilation = 3, kMaxCeil = 4;                     // of maxima
constexpr std::size_t kAvgCeil = 3, kCountsPadding = 4, kDivisor = 5;  // of averages

PoolOptions pool_options(const Arguments& a) {
  PoolOptions options{.padding = a.size(2)};
  if (a.size(1) != Size2d(0)) options.stride = a.size(1);
  return options;
}

PoolOptions max_options(const Arguments& a) {
  PoolOptions options = pool_options(a);
  options.dilation = a.size(kDilation);
  options.ceil_mode = a.flag(kMaxCeil);
  return options;
}

PoolOptions avg_options(const Arguments& a) {
  PoolOptions options = pool_options(a);
  options.ceil_mode = a.flag(kAvgCeil);
  options.count_include_pad = a.flag(kCountsPadding);
  if (a.integer(kDivisor) != 0) options.divisor_override = a.integer(kDivisor);
  return options;
}

using PoolOptionsOf = PoolOptions (*)(const Arguments& a);

/// How far a kernel reaches, with its dilation.
Size2d span_of(Size2d kernel, Size2d dilation) {
  return {dilation.height * (kernel.height - 1) + 1, dilation.width * (kernel.width - 1) + 1};
}

template <PoolOptionsOf options_of>
Shape pool_shape(const Arguments& a, const Shape& sample) {
  image_shape(a, sample);
  const auto [kernel, options] = std::pair(a.size(0), options_of(a));
  const Size2d stride = options.stride.value_or(kernel), padding = options.padding,
               span = span_of(kernel, options.dilation);
  if (stride.height < 1 || stride.width < 1) throw ConfigError("expected strides of at least 1");
  if (2 * padding.height > span.height || 2 * padding.width > span.width) {
    throw ConfigError("expected padding of at most half the kernel");
  }
  const std::int64_t height = sample[1] + 2 * padding.height - span.height;
  const std::int64_t width = sample[2] + 2 * padding.width - span.width;
  if (!options.ceil_mode && (height < 0 || width < 0))
    expected_shape("an image at least as large as the window", sample);
  const Shape y = kernels::pool2d_shape(
      {1, sample[0], sample[1], sample[2]},
      {kernel.array(), stride.array(), padding.array(), options.dilation.array(), options.ceil_mode}, "pool");
  return {y[1], y[2], y[3]};
}

template <class M, PoolOptionsOf options_of>
AnyModule pool(const Arguments& a, const Shape&) {
  return std::make_shared<M>(a.size(0), options_of(a));
}

/// "nn.MaxPool2d(2, stride=2, padding=0"
std::string torch_window(const char* name, const Arguments& a, const PoolOptions& options) {
  return std::string(name) + "(" + python_size(a.size(0)) +
         ", stride=" + python_size(options.stride.value_or(a.size(0))) + ", padding=" + python_size(options.padding);
}

std::string torch_max_pool(const Arguments& a, const Shape&) {
  const PoolOptions options = max_options(a);
  std::string text = torch_window("nn.MaxPool2d", a, options);
  if (options.dilation != Size2d(1)) text += ", dilation=" + python_size(options.dilation);
  return text + (options.ceil_mode ? ", ceil_mode=True)" : ")");
}

std::string torch_avg_pool(const Arguments& a, const Shape&) {
  const PoolOptions options = avg_options(a);
  std::string text = torch_window("nn.AvgPool2d", a, options);
  if (options.ceil_mode) text += ", ceil_mode=True";
  if (!options.count_include_pad) text += ", count_include_pad=False";
  if (options.divisor_override) text += ", divisor_override=" + std::to_string(*options.divisor_override);
  return text + ")";
}

/// What the windows of a pooling need around the image, one dimension after the other: before it and behind it. Behind
/// it that is more than the padding where the last window reaches out (ceil_mode), and less where it ends before.
struct Surrounding {
  Integers before, behind;

  Surrounding(const Arguments& a, const PoolOptions& options, const Shape& sample, const Shape& result) {
    const auto stride = options.stride.value_or(a.size(0)).array(), padding = options.padding.array(),
               span = span_of(a.size(0), options.dilation).array();
    for (std::size_t d = 0; d < 2; ++d) {
      const int dim = static_cast<int>(d) + 1;
      before.push_back(padding[d]);
      behind.push_back((result[dim] - 1) * stride[d] + span[d] - padding[d] - sample[dim]);
    }
  }
  /// Beyond the padding.
  bool reaches_out(const PoolOptions& options) const {
    return behind[0] > options.padding.height || behind[1] > options.padding.width;
  }
  Integers pads() const {
    return {before[0], before[1], std::max<std::int64_t>(behind[0], 0), std::max<std::int64_t>(behind[1], 0)};
  }
};

std::vector<OnnxAttribute> window(const Arguments& a, const Integers& pads) {
  const Size2d kernel = a.size(0), stride = a.size(1) == Size2d(0) ? kernel : a.size(1);
  return {{"kernel_shape", pair_of(kernel)}, {"strides", pair_of(stride)}, {"pads", pads}};
}

/// The pads of ONNX are below the kernel. A dilated kernel reaches further, so its padding may need a node.
OnnxValue max_pool(const OnnxLayer& layer, const OnnxValue& x) {
  const Arguments& a = layer.arguments;
  const PoolOptions options = max_options(a);
  const Surrounding around_it(a, options, layer.sample, pool_shape<max_options>(a, layer.sample));
  Integers pads = around_it.reaches_out(options) ? around_it.pads() : around(a.size(2));
  OnnxValue image = x;
  if (options.dilation != Size2d(1) && pads != Integers(4, 0)) {
    const OnnxValue sides = layer.model.integers({0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]});
    image = layer.model.node("Pad", {x, sides, layer.model.number(-std::numeric_limits<float>::infinity())});
    pads.assign(4, 0);
  }
  std::vector<OnnxAttribute> attributes = window(a, pads);
  if (options.dilation != Size2d(1)) attributes.push_back({"dilations", pair_of(options.dilation)});
  return layer.model.node("MaxPool", {image}, attributes);
}

/// The values of each window that count, one row of the result after the other, relative to the whole window.
Tensor window_shares(const Arguments& a, const PoolOptions& options, const Shape& sample, const Shape& result) {
  const auto kernel = a.size(0).array(), stride = options.stride.value_or(a.size(0)).array(),
             padding = options.padding.array();
  const auto counted = [&](std::size_t d, std::int64_t output) {
    const std::int64_t outside = options.count_include_pad ? padding[d] : 0, begin = output * stride[d] - padding[d];
    return std::min(begin + kernel[d], sample[static_cast<int>(d) + 1] + outside) - std::max(begin, -outside);
  };
  const Tensor shares = Tensor::empty({1, 1, result[1], result[2]}, DType::f32);
  for (std::int64_t p = 0; p < result[1]; ++p) {
    for (std::int64_t q = 0; q < result[2]; ++q) {
      const std::int64_t divisor = options.divisor_override.value_or(counted(0, p) * counted(1, q));
      shares.data<float>()[p * result[2] + q] = static_cast<float>(real(kernel[0] * kernel[1]) / real(divisor));
    }
  }
  return shares;
}

/// ONNX divides by the whole window: where PyTorch divides by another number, a product puts it right.
OnnxValue avg_pool(const OnnxLayer& layer, const OnnxValue& x) {
  const Arguments& a = layer.arguments;
  const PoolOptions options = avg_options(a);
  const Shape result = pool_shape<avg_options>(a, layer.sample);
  const Surrounding around_it(a, options, layer.sample, result);
  const bool is_plain = !around_it.reaches_out(options);
  std::vector<OnnxAttribute> attributes = window(a, is_plain ? around(a.size(2)) : around_it.pads());
  attributes.push_back({"count_include_pad", std::int64_t{1}});
  const OnnxValue means = layer.model.node("AveragePool", {x}, attributes);
  const bool counts_all = options.count_include_pad || a.size(2) == Size2d(0);
  if (is_plain && counts_all && !options.divisor_override) return means;
  const Tensor shares = window_shares(a, options, layer.sample, result);
  return layer.model.node("Mul", {means, layer.model.tensor(layer.name + ".shares", shares)});
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
                                 {"bias", flag, "true"},
                                 {.name = "padding_mode", .type = word, .fallback = "zeros", .words = kPaddingModes}};
constexpr Attribute kMaxPool[] = {{"kernel_size", size, "", 1, 1e4, true},
                                  {"stride", size, "0", 0, 1e4},  // 0: equal to the kernel
                                  {"padding", size, "0", 0, 1e4},
                                  {"dilation", size, "1", 1, 1e4},
                                  {"ceil_mode", flag, "false"}};
constexpr Attribute kAvgPool[] = {
    {"kernel_size", size, "", 1, 1e4, true}, {"stride", size, "0", 0, 1e4},
    {"padding", size, "0", 0, 1e4},          {"ceil_mode", flag, "false"},
    {"count_include_pad", flag, "true"},     {"divisor_override", integer, "0"}};  // 0: the number of values

constexpr std::array kRows = {
    LayerKind{"conv2d", kConv2d, conv_shape, conv_elements, conv, torch_conv, conv2d},
    LayerKind{"max_pool2d", kMaxPool, pool_shape<max_options>, nullptr, pool<MaxPool2d, max_options>, torch_max_pool,
              max_pool},
    LayerKind{"avg_pool2d", kAvgPool, pool_shape<avg_options>, nullptr, pool<AvgPool2d, avg_options>, torch_avg_pool,
              avg_pool},
    LayerKind{"global_avg_pool2d", {}, channels, nullptr, plain<GlobalAvgPool2d>, torch_global_pool, global_avg_pool},
};

}  // namespace

std::span<const LayerKind> image_layers() { return kRows; }

}  // namespace hop::nn::detail
