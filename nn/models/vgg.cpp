#include "nn/models/vgg.h"

#include <span>

#include "autograd/view.h"
#include "base/error.h"
#include "nn/layers/activation.h"
#include "nn/layers/dropout.h"
#include "nn/layers/norm.h"

namespace hop::nn::models {
namespace {

// Convolutions of each of the five stages, whose widths are 1, 2, 4, 8 and 8 times the first one's.
std::span<const int> stages(std::int64_t depth) {
  static constexpr int k11[] = {1, 1, 2, 2, 2}, k13[] = {2, 2, 2, 2, 2}, k16[] = {2, 2, 3, 3, 3},
                       k19[] = {2, 2, 4, 4, 4};
  switch (depth) {
    case 11:
      return k11;
    case 13:
      return k13;
    case 16:
      return k16;
    case 19:
      return k19;
    default:
      throw ConfigError("[vgg] expected a depth of 11, 13, 16 or 19, got " + std::to_string(depth));
  }
}

Sequential features_of(const VGGOptions& o) {
  Sequential layers;
  std::int64_t in = o.channels, factor = 1;
  for (const int convolutions : stages(o.depth)) {
    const std::int64_t out = o.width * factor;
    for (int i = 0; i < convolutions; ++i) {
      layers.push_back(FanOutConv2d(in, out, 3, {.padding = 1, .dtype = o.dtype}));
      if (o.batch_norm) layers.push_back(BatchNorm2d(out, {.dtype = o.dtype}));
      layers.push_back(ReLU());
      in = out;
    }
    layers.push_back(MaxPool2d(2));
    if (factor < 8) factor *= 2;
  }
  return layers;
}

Sequential classifier_of(const VGGOptions& o) {
  constexpr double kStd = 0.01;
  const LinearOptions options{.dtype = o.dtype};
  return Sequential(NormalLinear(o.width * 8 * o.pool * o.pool, o.hidden, kStd, options), ReLU(), Dropout(o.dropout),
                    NormalLinear(o.hidden, o.hidden, kStd, options), ReLU(), Dropout(o.dropout),
                    NormalLinear(o.hidden, o.classes, kStd, options));
}

}  // namespace

VGG::VGG(const VGGOptions& o)
    : features(register_module("features", features_of(o))),
      avgpool(register_module("avgpool", AdaptiveAvgPool2d(o.pool))),
      classifier(register_module("classifier", classifier_of(o))) {}

Tensor VGG::forward(const Tensor& x) {
  const Tensor y = features(x);
  return classifier(flatten(avgpool(y), 1));
}

}  // namespace hop::nn::models
