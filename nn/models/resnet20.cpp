#include "nn/models/resnet20.h"

#include <limits>

#include "autograd/pad.h"
#include "autograd/view.h"
#include "base/error.h"

namespace hop::nn::models {
namespace {

Conv2dOptions plain(std::int64_t stride, DType dtype) {
  return {.stride = stride, .padding = 1, .bias = false, .dtype = dtype};
}

const CifarResNetOptions& checked(const CifarResNetOptions& o) {
  if (o.blocks >= 1 && o.width >= 2 && o.width % 2 == 0) return o;
  throw ConfigError("[resnet20] expected at least one block and an even width, got " + std::to_string(o.blocks) +
                    " and " + std::to_string(o.width));
}

Sequential stage(const CifarResNetOptions& o, int i) {
  const std::int64_t channels = o.width << i;
  Sequential blocks;
  for (std::int64_t k = 0; k < o.blocks; ++k) {
    const bool halves = i > 0 && k == 0;
    blocks.push_back(CifarBlock(halves ? channels / 2 : channels, channels, halves ? 2 : 1, o.dtype));
  }
  return blocks;
}

}  // namespace

CifarBlock::CifarBlock(std::int64_t in_channels, std::int64_t channels, std::int64_t stride, DType dtype)
    : conv1(register_module("conv1", FanOutConv2d(in_channels, channels, 3, plain(stride, dtype)))),
      bn1(register_module("bn1", BatchNorm2d(channels, {.dtype = dtype}))),
      conv2(register_module("conv2", FanOutConv2d(channels, channels, 3, plain(1, dtype)))),
      bn2(register_module("bn2", BatchNorm2d(channels, {.dtype = dtype}))),
      new_channels_(channels - in_channels),
      stride_(stride) {}

Tensor CifarBlock::forward(const Tensor& x) {
  Tensor residual = x;
  if (stride_ != 1) {
    constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();
    residual = slice(slice(x, 2, 0, kEnd, stride_), 3, 0, kEnd, stride_);
  }
  if (new_channels_ != 0) residual = pad(residual, {0, 0, 0, 0, new_channels_ / 2, new_channels_ / 2});
  const Tensor y = bn1(conv1(x), {.relu = true});
  return bn2(conv2(y), {.residual = residual, .relu = true});
}

CifarResNet::CifarResNet(const CifarResNetOptions& o)
    : conv1(register_module("conv1", FanOutConv2d(o.channels, checked(o).width, 3, plain(1, o.dtype)))),
      bn1(register_module("bn1", BatchNorm2d(o.width, {.dtype = o.dtype}))),
      layer1(register_module("layer1", stage(o, 0))),
      layer2(register_module("layer2", stage(o, 1))),
      layer3(register_module("layer3", stage(o, 2))),
      avgpool(register_module("avgpool", GlobalAvgPool2d())),
      linear(register_module("linear", Linear(o.width << 2, o.classes, {.dtype = o.dtype}))) {}

Tensor CifarResNet::forward(const Tensor& x) {
  const Tensor y = bn1(conv1(x), {.relu = true});
  return linear(avgpool(layer3(layer2(layer1(y)))));
}

}  // namespace hop::nn::models
