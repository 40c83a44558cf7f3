// Residual networks (He et al., "Deep residual learning for image recognition", 2016), with the names of torchvision.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "nn/layers/norm.h"
#include "nn/layers/pool.h"
#include "nn/layers/sequential.h"
#include "nn/models/parts.h"

namespace hop::nn::models {

struct ResNetOptions {
  std::array<std::int64_t, 4> layers = {2, 2, 2, 2};  ///< blocks of each stage: those of ResNet-18
  bool bottleneck = false;                            ///< blocks of three convolutions, as from ResNet-50 on
  std::int64_t classes = 1000;
  std::int64_t channels = 3;  ///< of the images
  std::int64_t width = 64;    ///< channels of the first stage
  bool small_images = false;  ///< begin with a 3x3 convolution and no pooling, as is usual for images of 32 x 32
  DType dtype = DType::f32;
};

/// The options of ResNet-18, 34, 50, 101 or 152. Throws ConfigError for another depth.
ResNetOptions resnet_options(std::int64_t depth);

/// Two 3x3 convolutions and the shortcut around them. torchvision's BasicBlock.
class BasicBlock : public Module {
 public:
  BasicBlock(std::int64_t in_channels, std::int64_t channels, std::int64_t stride, DType dtype);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "BasicBlock"; }

  FanOutConv2d conv1;
  BatchNorm2d bn1;
  FanOutConv2d conv2;
  BatchNorm2d bn2;
  std::optional<Sequential> downsample;  ///< of the shortcut, where the shape changes
};

/// Convolutions 1x1, 3x3 (with the stride) and 1x1 to four times the channels, and the shortcut around them.
/// torchvision's Bottleneck.
class Bottleneck : public Module {
 public:
  Bottleneck(std::int64_t in_channels, std::int64_t channels, std::int64_t stride, DType dtype);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Bottleneck"; }

  FanOutConv2d conv1;
  BatchNorm2d bn1;
  FanOutConv2d conv2;
  BatchNorm2d bn2;
  FanOutConv2d conv3;
  BatchNorm2d bn3;
  std::optional<Sequential> downsample;
};

/// x (N, C, H, W) -> (N, classes). torchvision.models.resnet18 and so on, by ResNet(resnet_options(18)).
class ResNet : public Module {
 public:
  explicit ResNet(const ResNetOptions& options);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "ResNet"; }

  FanOutConv2d conv1;
  BatchNorm2d bn1;
  Sequential layer1, layer2, layer3, layer4;
  GlobalAvgPool2d avgpool;
  Linear fc;

 private:
  bool small_images_;
};

}  // namespace hop::nn::models
