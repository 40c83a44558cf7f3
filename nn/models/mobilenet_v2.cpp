#include "nn/models/mobilenet_v2.h"

#include <algorithm>

#include "autograd/elementwise.h"
#include "base/error.h"
#include "base/words.h"
#include "nn/layers/activation.h"
#include "nn/layers/dropout.h"
#include "nn/layers/norm.h"

namespace hop::nn::models {
namespace {

// The stages of the paper's table 2: expansion, channels, blocks, stride of the first block.
struct Stage {
  std::int64_t expansion, channels, blocks, stride;
};
constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                             {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

// The nearest multiple of 8, but at least 9 / 10 of the number.
std::int64_t scaled(std::int64_t channels, double width) {
  const double wish = static_cast<double>(channels) * width;
  const auto rounded = std::max<std::int64_t>(8, static_cast<std::int64_t>(wish + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * wish ? rounded + 8 : rounded;
}

Sequential convolution(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride, std::int64_t groups,
                       DType dtype) {
  return Sequential(
      FanOutConv2d(in, out, kernel,
                   {.stride = stride, .padding = (kernel - 1) / 2, .groups = groups, .bias = false, .dtype = dtype}),
      BatchNorm2d(out, {.dtype = dtype}), ReLU6());
}

Sequential inverted(std::int64_t in, std::int64_t out, std::int64_t stride, std::int64_t expansion, DType dtype) {
  const std::int64_t hidden = in * expansion;
  Sequential layers;
  if (expansion != 1) layers.push_back(convolution(in, hidden, 1, 1, 1, dtype));
  layers.push_back(convolution(hidden, hidden, 3, stride, hidden, dtype));
  layers.push_back(FanOutConv2d(hidden, out, 1, {.bias = false, .dtype = dtype}));
  layers.push_back(BatchNorm2d(out, {.dtype = dtype}));
  return layers;
}

Sequential features_of(const MobileNetV2Options& o) {
  if (!(o.width > 0 && o.width < 100)) {
    throw ConfigError("[mobilenet_v2] expected a width above 0 and below 100, got " + shortest(o.width));
  }
  std::int64_t in = scaled(32, o.width);
  Sequential layers;
  layers.push_back(convolution(o.channels, in, 3, o.small_images ? 1 : 2, 1, o.dtype));
  for (const Stage& stage : kStages) {
    const std::int64_t out = scaled(stage.channels, o.width);
    for (std::int64_t i = 0; i < stage.blocks; ++i) {
      layers.push_back(InvertedResidual(in, out, i == 0 ? stage.stride : 1, stage.expansion, o.dtype));
      in = out;
    }
  }
  layers.push_back(convolution(in, scaled(1280, std::max(1.0, o.width)), 1, 1, 1, o.dtype));
  return layers;
}

}  // namespace

InvertedResidual::InvertedResidual(std::int64_t in_channels, std::int64_t out_channels, std::int64_t stride,
                                   std::int64_t expansion, DType dtype)
    : conv(register_module("conv", inverted(in_channels, out_channels, stride, expansion, dtype))),
      is_residual_(stride == 1 && in_channels == out_channels) {}

Tensor InvertedResidual::forward(const Tensor& x) {
  const Tensor y = conv(x);
  return is_residual_ ? x + y : y;
}

MobileNetV2::MobileNetV2(const MobileNetV2Options& o)
    : features(register_module("features", features_of(o))),
      avgpool(register_module("avgpool", GlobalAvgPool2d())),
      classifier(register_module(
          "classifier", Sequential(Dropout(o.dropout), NormalLinear(scaled(1280, std::max(1.0, o.width)), o.classes,
                                                                    0.01, {.dtype = o.dtype})))) {}

Tensor MobileNetV2::forward(const Tensor& x) {
  const Tensor y = features(x);
  return classifier(avgpool(y));
}

}  // namespace hop::nn::models
