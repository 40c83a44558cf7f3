// MobileNetV2 (Sandler et al., "Inverted residuals and linear bottlenecks", 2018), with the names of torchvision.
#pragma once

#include <cstdint>
#include <string>

#include "nn/layers/pool.h"
#include "nn/layers/sequential.h"
#include "nn/models/parts.h"

namespace hop::nn::models {

struct MobileNetV2Options {
  std::int64_t classes = 1000;
  std::int64_t channels = 3;  ///< of the images
  double width = 1;           ///< factor of all channels, which stay multiples of 8
  bool small_images = false;  ///< begin with a stride of 1, as is usual for images of 32 x 32
  double dropout = 0.2;
  DType dtype = DType::f32;
};

/// Expands the channels, convolves each alone, and projects back: a residual block if the shape stays. torchvision's
/// InvertedResidual.
class InvertedResidual : public Module {
 public:
  InvertedResidual(std::int64_t in_channels, std::int64_t out_channels, std::int64_t stride, std::int64_t expansion,
                   DType dtype);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "InvertedResidual"; }

  Sequential conv;

 private:
  bool is_residual_;
};

/// x (N, C, H, W) -> (N, classes). torchvision.models.mobilenet_v2.
class MobileNetV2 : public Module {
 public:
  /// Throws ConfigError unless `width` is positive, and as the layers do.
  explicit MobileNetV2(const MobileNetV2Options& options);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "MobileNetV2"; }

  Sequential features;
  GlobalAvgPool2d avgpool;
  Sequential classifier;
};

}  // namespace hop::nn::models
