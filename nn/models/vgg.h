// VGG (Simonyan & Zisserman, "Very deep convolutional networks", 2015), with the names of torchvision.
#pragma once

#include <cstdint>
#include <string>

#include "nn/layers/pool.h"
#include "nn/layers/sequential.h"
#include "nn/models/parts.h"

namespace hop::nn::models {

struct VGGOptions {
  std::int64_t depth = 16;  ///< 11, 13, 16 or 19
  bool batch_norm = false;  ///< torchvision's vgg16_bn
  std::int64_t classes = 1000;
  std::int64_t channels = 3;  ///< of the images
  std::int64_t width = 64;    ///< channels of the first convolution
  std::int64_t pool = 7;      ///< the side of the image that the classifier sees; 32 pool divides the image's sides
  std::int64_t hidden = 4096;
  double dropout = 0.5;
  DType dtype = DType::f32;
};

/// x (N, C, H, W) -> (N, classes). torchvision.models.vgg11, vgg16 and so on.
class VGG : public Module {
 public:
  /// Throws ConfigError for another depth, and as the layers do.
  explicit VGG(const VGGOptions& options);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "VGG"; }

  Sequential features;
  AdaptiveAvgPool2d avgpool;
  Sequential classifier;
};

}  // namespace hop::nn::models
