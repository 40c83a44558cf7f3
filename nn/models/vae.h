// A variational autoencoder (Kingma & Welling, "Auto-encoding variational Bayes", 2014), with the names of PyTorch's
// example.
#pragma once

#include <cstdint>
#include <string>

#include "nn/layers/linear.h"
#include "nn/module.h"

namespace hop::nn::models {

struct VAEOptions {
  std::int64_t inputs = 784;  ///< numbers of a sample
  std::int64_t hidden = 400;
  std::int64_t latent = 20;
  DType dtype = DType::f32;
};

struct VAEResult {
  Tensor logits{};        ///< of the reconstruction, (N, inputs)
  Tensor mu{}, logvar{};  ///< of the latent variables, (N, latent)
};

/// x (N, inputs), numbers from 0 to 1.
///
///   vae.set_random_key(1);
///   optimizer.zero_grad();
///   backward(vae_loss(vae.sample(x), x));
class VAE : public Module {
 public:
  explicit VAE(const VAEOptions& options);
  /// The reconstruction of x by the means of its latent variables, numbers from 0 to 1: for evaluation.
  Tensor forward(const Tensor& x) override;
  /// For training: draws the latent variables at the root's random address (ConfigError without a random key).
  VAEResult sample(const Tensor& x);
  /// The same with given noise (N, latent), standard normal.
  VAEResult sample(const Tensor& x, const Tensor& noise);
  /// Latent variables (N, latent) -> logits (N, inputs).
  Tensor decode(const Tensor& z);
  std::string type_name() const override { return "VAE"; }

  Linear fc1, fc21, fc22, fc3, fc4;
};

/// The sum over the batch of the binary cross entropy of the reconstruction and of the divergence of the latent
/// variables from a standard normal, as in PyTorch's example: ().
Tensor vae_loss(const VAEResult& result, const Tensor& x);

}  // namespace hop::nn::models
