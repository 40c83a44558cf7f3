// U-Net (Ronneberger et al., "U-Net: convolutional networks for biomedical image segmentation", 2015), with batch
// normalisation and padding, and the names of the implementation that is used most with PyTorch (inc, down1, up1,
// outc).
#pragma once

#include <cstdint>
#include <string>

#include "nn/layers/conv.h"
#include "nn/layers/sequential.h"
#include "nn/module.h"

namespace hop::nn::models {

struct UNetOptions {
  std::int64_t channels = 3;  ///< of the images
  std::int64_t classes = 2;
  std::int64_t width = 64;  ///< channels at full size; 16 times as many at the bottom
  DType dtype = DType::f32;
};

/// Two times: a 3x3 convolution, batch normalisation and relu.
class DoubleConv : public Module {
 public:
  DoubleConv(std::int64_t in_channels, std::int64_t out_channels, DType dtype);
  Tensor forward(const Tensor& x) override { return double_conv(x); }
  std::string type_name() const override { return "DoubleConv"; }

  Sequential double_conv;
};

/// Halves the image, then a DoubleConv.
class Down : public Module {
 public:
  Down(std::int64_t in_channels, std::int64_t out_channels, DType dtype);
  Tensor forward(const Tensor& x) override { return maxpool_conv(x); }
  std::string type_name() const override { return "Down"; }

  Sequential maxpool_conv;
};

/// Doubles the image, joins it with the image of this size from the way down, then a DoubleConv.
class Up : public Module {
 public:
  Up(std::int64_t in_channels, std::int64_t out_channels, DType dtype);
  /// Hooks see x. Sizes that were odd on the way down are filled with zeros.
  Tensor operator()(const Tensor& x, const Tensor& skip) {
    return with_hooks(x, [&](const Tensor& input) { return forward(input, skip); });
  }
  using Module::forward;
  Tensor forward(const Tensor& x, const Tensor& skip);
  std::string type_name() const override { return "Up"; }

  ConvTranspose2d up;
  DoubleConv conv;
};

/// x (N, C, H, W) with sides of at least 16 -> (N, classes, H, W).
class UNet : public Module {
 public:
  explicit UNet(const UNetOptions& options);
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "UNet"; }

  /// A 1x1 convolution.
  class Out : public Module {
   public:
    Out(std::int64_t in_channels, std::int64_t out_channels, DType dtype);
    Tensor forward(const Tensor& x) override { return conv(x); }
    std::string type_name() const override { return "OutConv"; }
    Conv2d conv;
  };

  DoubleConv inc;
  Down down1, down2, down3, down4;
  Up up1, up2, up3, up4;
  Out outc;
};

}  // namespace hop::nn::models
