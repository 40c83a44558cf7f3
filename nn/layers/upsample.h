// Images of more pixels.
#pragma once

#include <cstdint>
#include <string>

#include "nn/module.h"
#include "nn/options.h"

namespace hop::nn {

/// Repeats each pixel: (N, C, H, W) -> (N, C, height H, width W) for the factors (height, width). torch.nn.Upsample
/// with mode="nearest" and a whole scale_factor. Not there: other modes, fractions, a given size.
class Upsample : public Module {
 public:
  /// Throws ConfigError for factors below 1.
  explicit Upsample(Size2d scale_factor);
  /// Throws ShapeError unless x is (N, C, H, W).
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Upsample"; }
  std::string extra_repr() const override;

 private:
  Size2d scale_factor_;
};

/// Turns r r channels into r times the rows and columns (Shi et al., 2016): (.., C r r, H, W) -> (.., C, H r, W r) for
/// the factor r. torch.nn.PixelShuffle.
class PixelShuffle : public Module {
 public:
  /// Throws ConfigError for a factor below 1.
  explicit PixelShuffle(std::int64_t upscale_factor);
  /// Throws ShapeError unless r r divides the channels.
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "PixelShuffle"; }
  std::string extra_repr() const override;

 private:
  std::int64_t upscale_factor_;
};

}  // namespace hop::nn
