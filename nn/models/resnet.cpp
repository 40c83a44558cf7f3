#include "nn/models/resnet.h"

#include "autograd/pool.h"
#include "autograd/view.h"
#include "base/error.h"

namespace hop::nn::models {
namespace {

constexpr std::int64_t kExpansion = 4;  // of a bottleneck

Conv2dOptions plain(std::int64_t stride, std::int64_t padding, DType dtype) {
  return {.stride = stride, .padding = padding, .bias = false, .dtype = dtype};
}

// The convolution of a shortcut between different shapes; nothing between equal ones.
std::optional<Sequential> shortcut(std::int64_t in, std::int64_t out, std::int64_t stride, DType dtype) {
  if (in == out && stride == 1) return std::nullopt;
  return Sequential(FanOutConv2d(in, out, 1, plain(stride, 0, dtype)), BatchNorm2d(out, {.dtype = dtype}));
}

Sequential stage(const ResNetOptions& o, std::size_t i) {
  const std::int64_t channels = o.width << i, expansion = o.bottleneck ? kExpansion : 1;
  std::int64_t in = i == 0 ? o.width : (o.width << (i - 1)) * expansion;
  Sequential blocks;
  for (std::int64_t k = 0; k < o.layers[i]; ++k) {
    const std::int64_t stride = k == 0 && i > 0 ? 2 : 1;
    if (o.bottleneck) {
      blocks.push_back(Bottleneck(in, channels, stride, o.dtype));
    } else {
      blocks.push_back(BasicBlock(in, channels, stride, o.dtype));
    }
    in = channels * expansion;
  }
  return blocks;
}

const ResNetOptions& checked(const ResNetOptions& o) {
  for (const std::int64_t count : o.layers) {
    if (count < 1) throw ConfigError("[resnet] expected at least one block per stage, got " + std::to_string(count));
  }
  return o;
}

FanOutConv2d stem(const ResNetOptions& o) {
  if (o.small_images) return FanOutConv2d(o.channels, o.width, 3, plain(1, 1, o.dtype));
  return FanOutConv2d(o.channels, o.width, 7, plain(2, 3, o.dtype));
}

}  // namespace

ResNetOptions resnet_options(std::int64_t depth) {
  switch (depth) {
    case 18:
      return {.layers = {2, 2, 2, 2}};
    case 34:
      return {.layers = {3, 4, 6, 3}};
    case 50:
      return {.layers = {3, 4, 6, 3}, .bottleneck = true};
    case 101:
      return {.layers = {3, 4, 23, 3}, .bottleneck = true};
    case 152:
      return {.layers = {3, 8, 36, 3}, .bottleneck = true};
    default:
      throw ConfigError("[resnet] expected a depth of 18, 34, 50, 101 or 152, got " + std::to_string(depth));
  }
}

BasicBlock::BasicBlock(std::int64_t in_channels, std::int64_t channels, std::int64_t stride, DType dtype)
    : conv1(register_module("conv1", FanOutConv2d(in_channels, channels, 3, plain(stride, 1, dtype)))),
      bn1(register_module("bn1", BatchNorm2d(channels, {.dtype = dtype}))),
      conv2(register_module("conv2", FanOutConv2d(channels, channels, 3, plain(1, 1, dtype)))),
      bn2(register_module("bn2", BatchNorm2d(channels, {.dtype = dtype}))) {
  if (auto part = shortcut(in_channels, channels, stride, dtype)) {
    downsample.emplace(register_module("downsample", *part));
  }
}

Tensor BasicBlock::forward(const Tensor& x) {
  const Tensor residual = downsample ? (*downsample)(x) : x;
  const Tensor y = bn1(conv1(x), {.relu = true});
  return bn2(conv2(y), {.residual = residual, .relu = true});
}

Bottleneck::Bottleneck(std::int64_t in_channels, std::int64_t channels, std::int64_t stride, DType dtype)
    : conv1(register_module("conv1", FanOutConv2d(in_channels, channels, 1, plain(1, 0, dtype)))),
      bn1(register_module("bn1", BatchNorm2d(channels, {.dtype = dtype}))),
      conv2(register_module("conv2", FanOutConv2d(channels, channels, 3, plain(stride, 1, dtype)))),
      bn2(register_module("bn2", BatchNorm2d(channels, {.dtype = dtype}))),
      conv3(register_module("conv3", FanOutConv2d(channels, channels * kExpansion, 1, plain(1, 0, dtype)))),
      bn3(register_module("bn3", BatchNorm2d(channels * kExpansion, {.dtype = dtype}))) {
  if (auto part = shortcut(in_channels, channels * kExpansion, stride, dtype)) {
    downsample.emplace(register_module("downsample", *part));
  }
}

Tensor Bottleneck::forward(const Tensor& x) {
  const Tensor residual = downsample ? (*downsample)(x) : x;
  const Tensor y = bn1(conv1(x), {.relu = true});
  const Tensor z = bn2(conv2(y), {.relu = true});
  return bn3(conv3(z), {.residual = residual, .relu = true});
}

ResNet::ResNet(const ResNetOptions& o)
    : conv1(register_module("conv1", stem(checked(o)))),
      bn1(register_module("bn1", BatchNorm2d(o.width, {.dtype = o.dtype}))),
      layer1(register_module("layer1", stage(o, 0))),
      layer2(register_module("layer2", stage(o, 1))),
      layer3(register_module("layer3", stage(o, 2))),
      layer4(register_module("layer4", stage(o, 3))),
      avgpool(register_module("avgpool", GlobalAvgPool2d())),
      fc(register_module("fc",
                         Linear((o.width << 3) * (o.bottleneck ? kExpansion : 1), o.classes, {.dtype = o.dtype}))),
      small_images_(o.small_images) {}

Tensor ResNet::forward(const Tensor& x) {
  Tensor y = bn1(conv1(x), {.relu = true});
  if (!small_images_) y = max_pool2d(y, {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}});
  y = layer4(layer3(layer2(layer1(y))));
  return fc(avgpool(y));
}

}  // namespace hop::nn::models
