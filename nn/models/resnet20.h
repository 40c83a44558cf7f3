// The residual networks that He et al. (2016) trained on CIFAR-10: three stages, and shortcuts without parameters. The
// names are those of the implementation that is used most with PyTorch (layer1, layer2, layer3, linear).
#pragma once

#include <cstdint>
#include <string>

#include "nn/layers/norm.h"
#include "nn/layers/pool.h"
#include "nn/layers/sequential.h"
#include "nn/models/parts.h"

namespace hop::nn::models {

struct CifarResNetOptions {
  std::int64_t blocks = 3;  ///< of each stage: 3, 5, 7, 9 and 18 make ResNet-20, 32, 44, 56 and 110
  std::int64_t classes = 10;
  std::int64_t channels = 3;  ///< of the images
  std::int64_t width = 16;    ///< channels of the first stage; even
  DType dtype = DType::f32;
};

/// Two 3x3 convolutions and a shortcut. Where the image is halved, the shortcut takes every second pixel, and the new
/// channels are 0.
class CifarBlock : public Module {
 public:
  CifarBlock(std::int64_t in_channels, std::int64_t channels, std::int64_t stride, DType dtype);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "BasicBlock"; }

  FanOutConv2d conv1;
  BatchNorm2d bn1;
  FanOutConv2d conv2;
  BatchNorm2d bn2;

 private:
  std::int64_t new_channels_, stride_;
};

/// x (N, C, H, W) -> (N, classes).
class CifarResNet : public Module {
 public:
  /// Throws ConfigError for an odd width and for no blocks.
  explicit CifarResNet(const CifarResNetOptions& options);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "ResNet"; }

  FanOutConv2d conv1;
  BatchNorm2d bn1;
  Sequential layer1, layer2, layer3;
  GlobalAvgPool2d avgpool;
  Linear linear;
};

}  // namespace hop::nn::models
