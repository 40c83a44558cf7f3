// Two nets that train against each other: DCGAN as in LibTorch's tutorial, for images of 28 x 28.
#pragma once

#include <cstdint>
#include <memory>

#include "nn/module.h"

namespace hop::bench {

struct Adversaries {
  std::shared_ptr<nn::Module> generator;      ///< noise (N, 100, 1, 1) -> images (N, 1, 28, 28)
  std::shared_ptr<nn::Module> discriminator;  ///< images -> logits (N)
  Tensor noise, images;
  Tensor ones, zeros;  ///< (N)
};

/// Filled nets, in training, and a batch by formula.
Adversaries make_adversaries(std::int64_t batch);

}  // namespace hop::bench
