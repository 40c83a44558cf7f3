// Images, sequences and volumes of other sizes.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "autograd/interpolate.h"
#include "nn/module.h"
#include "nn/options.h"

namespace hop::nn {

/// Sequences, images and volumes in another size: interpolate(). torch.nn.Upsample. Upsample(2) and Upsample({2, 3})
/// name whole factors of images, and repeat each pixel. (In PyTorch the first argument is the size:
/// Upsample({.size = {8, 8}}).)
class Upsample : public Module {
 public:
  /// Factors of height and width, in the mode nearest. Throws ConfigError for factors below 1.
  explicit Upsample(Size2d scale_factor);
  /// Throws ConfigError unless either size or scale_factor is given.
  explicit Upsample(InterpolateOptions options);
  /// Throws as interpolate(). For factors of height and width x is (N, C, H, W) (ShapeError).
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Upsample"; }
  std::string extra_repr() const override;

 private:
  bool repeats() const;

  InterpolateOptions options_;
  bool is_of_images_ = false;
};

struct Upsampling2dOptions {
  std::vector<std::int64_t> size = {};    ///< one number, or height and width; or
  std::vector<double> scale_factor = {};  ///< the same of factors
};

/// The nearest pixel: x (N, C, H, W). torch.nn.UpsamplingNearest2d. Throws as Upsample.
class UpsamplingNearest2d : public Upsample {
 public:
  explicit UpsamplingNearest2d(Upsampling2dOptions options)
      : Upsample(InterpolateOptions{.size = std::move(options.size), .scale_factor = std::move(options.scale_factor)}) {
  }
  std::string type_name() const override { return "UpsamplingNearest2d"; }
};

/// Between the neighbouring pixels; those in the corners stay where they are: x (N, C, H, W).
/// torch.nn.UpsamplingBilinear2d. Throws as Upsample.
class UpsamplingBilinear2d : public Upsample {
 public:
  explicit UpsamplingBilinear2d(Upsampling2dOptions options)
      : Upsample(InterpolateOptions{.size = std::move(options.size),
                                    .scale_factor = std::move(options.scale_factor),
                                    .mode = InterpolateMode::bilinear,
                                    .align_corners = true}) {}
  std::string type_name() const override { return "UpsamplingBilinear2d"; }
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
