// DCGAN (Radford et al., "Unsupervised representation learning with deep convolutional generative adversarial
// networks", 2016), with the names of PyTorch's tutorial. C++ alone trains it (examples/ports/dcgan.cpp): it is no
// family for experiment files, because generator and discriminator have an optimizer each and take turns, while a model
// of a run has one loss and one optimizer.
#pragma once

#include <cstdint>
#include <string>

#include "nn/layers/sequential.h"
#include "nn/module.h"

namespace hop::nn::models {

struct DCGANOptions {
  std::int64_t latent = 100;
  std::int64_t width = 64;  ///< channels of the layers beside the image
  std::int64_t channels = 3;
  DType dtype = DType::f32;
};

/// Noise (N, latent, 1, 1) -> images (N, channels, 64, 64) with numbers from -1 to 1.
class DCGANGenerator : public Module {
 public:
  explicit DCGANGenerator(const DCGANOptions& options);
  Tensor forward(const Tensor& noise) override { return main(noise); }
  std::string type_name() const override { return "Generator"; }

  Sequential main;
};

/// Images (N, channels, 64, 64) -> (N) logits of being real, for BCEWithLogitsLoss. (The tutorial's ends with a
/// sigmoid, for BCELoss.)
class DCGANDiscriminator : public Module {
 public:
  explicit DCGANDiscriminator(const DCGANOptions& options);
  Tensor forward(const Tensor& images) override;
  std::string type_name() const override { return "Discriminator"; }

  Sequential main;
};

}  // namespace hop::nn::models
