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

/// The inverse of PixelShuffle: (.., C, H r, W r) -> (.., C r r, H, W). torch.nn.PixelUnshuffle.
class PixelUnshuffle : public Module {
 public:
  /// Throws ConfigError for a factor below 1.
  explicit PixelUnshuffle(std::int64_t downscale_factor);
  /// Throws ShapeError unless r divides height and width.
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "PixelUnshuffle"; }
  std::string extra_repr() const override;

 private:
  std::int64_t downscale_factor_;
};

/// Deals the channels of x (N, C, ..) out to `groups` groups in turn (Zhang et al., "ShuffleNet", 2018): channel g n +
/// i of n = C / groups becomes channel i groups + g. torch.nn.ChannelShuffle.
class ChannelShuffle : public Module {
 public:
  /// Throws ConfigError for groups below 1.
  explicit ChannelShuffle(std::int64_t groups);
  /// Throws ShapeError unless groups divides the channels.
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "ChannelShuffle"; }
  std::string extra_repr() const override;

 private:
  std::int64_t groups_;
};

}  // namespace hop::nn
