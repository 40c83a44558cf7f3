#include "nn/models/vae.h"

#include "autograd/ops.h"
#include "nn/loss.h"

namespace hop::nn::models {

VAE::VAE(const VAEOptions& o)
    : fc1(register_module("fc1", Linear(o.inputs, o.hidden, {.dtype = o.dtype}))),
      fc21(register_module("fc21", Linear(o.hidden, o.latent, {.dtype = o.dtype}))),
      fc22(register_module("fc22", Linear(o.hidden, o.latent, {.dtype = o.dtype}))),
      fc3(register_module("fc3", Linear(o.latent, o.hidden, {.dtype = o.dtype}))),
      fc4(register_module("fc4", Linear(o.hidden, o.inputs, {.dtype = o.dtype}))) {}

Tensor VAE::decode(const Tensor& z) { return fc4(fc3(z, {.relu = true})); }

Tensor VAE::forward(const Tensor& x) { return sigmoid(decode(fc21(fc1(x, {.relu = true})))); }

VAEResult VAE::sample(const Tensor& x) {
  const Shape shape{x.size(0), fc21.weight.size(0)};
  return sample(x, randn(shape, next_random(), {.dtype = x.dtype(), .device = x.device()}));
}

VAEResult VAE::sample(const Tensor& x, const Tensor& noise) {
  const Tensor h = fc1(x, {.relu = true}), mu = fc21(h), logvar = fc22(h);
  return {decode(mu + noise * exp(logvar * 0.5)), mu, logvar};
}

Tensor vae_loss(const VAEResult& r, const Tensor& x) {
  const Tensor divergence = sum(r.logvar + 1.0 - r.mu * r.mu - exp(r.logvar)) * -0.5;
  return sum(BCEWithLogitsLoss{}.each(r.logits, x)) + divergence;
}

}  // namespace hop::nn::models
