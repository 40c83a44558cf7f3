// DCGAN (Radford et al., "Unsupervised representation learning with deep convolutional generative adversarial
// networks", 2016), with the names of PyTorch's tutorial.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "nn/layers/sequential.h"
#include "nn/module.h"
#include "nn/unsupervised.h"

namespace hop::nn::models {

struct DCGANOptions {
  std::int64_t latent = 100;
  std::int64_t width = 64;  ///< channels of the layers beside the image
  std::int64_t channels = 3;
  std::int64_t side = 64;  ///< height and width of images, 8 or more
  DType dtype = DType::f32;
};

/// Noise (N, latent, 1, 1) -> images (N, channels, side, side) with numbers from -1 to 1. Each layer doubles the side
/// of the image; where the next side is odd, it makes one row and one column less.
class DCGANGenerator : public Module {
 public:
  /// Throws ConfigError for a side below 8.
  explicit DCGANGenerator(const DCGANOptions& options);
  Tensor forward(const Tensor& noise) override { return main(noise); }
  std::string type_name() const override { return "Generator"; }

  Sequential main;
};

/// Images (N, channels, side, side) -> (N) logits of being real, for BCEWithLogitsLoss. (The tutorial's ends with a
/// sigmoid, for BCELoss.)
class DCGANDiscriminator : public Module {
 public:
  /// Throws ConfigError for a side below 8.
  explicit DCGANDiscriminator(const DCGANOptions& options);
  Tensor forward(const Tensor& images) override;
  std::string type_name() const override { return "Discriminator"; }

  Sequential main;
};

/// Both networks as one model with one loss and one optimizer: the loss "adversarial" of experiment files.
///
///   gan.set_random_key(1);
///   optimizer.zero_grad();
///   backward(gan.loss(images));
///   optimizer.step();
///
/// Both learn from the same step (simultaneous gradient descent: Nagarajan & Kolter, "Gradient descent GAN optimization
/// is locally stable", 2017). In PyTorch's tutorial each has an optimizer, and the generator's step sees the
/// discriminator after its own: examples/ports/dcgan.cpp trains so.
class DCGAN : public Module, public Unsupervised {
 public:
  /// Throws ConfigError for a side below 8.
  explicit DCGAN(const DCGANOptions& options);
  /// The discriminator's probability that each image is real: (N, channels, side, side) -> (N, 1). Throws ShapeError
  /// for images of another shape, as loss() does.
  Tensor forward(const Tensor& images) override;
  std::string_view loss_name() const override { return "adversarial"; }
  /// The discriminator's loss of these images and of as many new ones, and the generator's, whose gradient goes to the
  /// generator alone: (). Draws noise at the root's random address (ConfigError without a random key).
  Tensor loss(const Tensor& images) override;
  /// The same with given noise (N, latent, 1, 1), standard normal.
  Tensor loss(const Tensor& images, const Tensor& noise);
  std::string type_name() const override { return "DCGAN"; }

  DCGANGenerator generator;
  DCGANDiscriminator discriminator;

 private:
  void check(const Tensor& images) const;

  std::int64_t latent_, channels_, side_;
};

}  // namespace hop::nn::models
