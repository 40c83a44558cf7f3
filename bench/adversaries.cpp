#include "bench/adversaries.h"

#include "bench/fill.h"
#include "bench/nets.h"
#include "kernels/copy.h"
#include "nn/layers.h"

namespace hop::bench {
namespace {

nn::ConvTranspose2d grow(std::int64_t in, std::int64_t out, std::int64_t kernel, bool is_first = false) {
  return {in, out, kernel, {.stride = is_first ? 1 : 2, .padding = is_first ? 0 : 1, .bias = false}};
}

nn::Conv2d shrink(std::int64_t in, std::int64_t out) {
  return {in, out, 4, {.stride = 2, .padding = 1, .bias = false}};
}

}  // namespace

Adversaries make_adversaries(std::int64_t batch) {
  Adversaries made;
  made.generator =
      std::make_shared<nn::Sequential>(grow(100, 256, 4, true), nn::BatchNorm2d(256), nn::ReLU(),  // (N, 256, 4, 4)
                                       grow(256, 128, 3), nn::BatchNorm2d(128), nn::ReLU(),        // (N, 128, 7, 7)
                                       grow(128, 64, 4), nn::BatchNorm2d(64), nn::ReLU(),          // (N, 64, 14, 14)
                                       grow(64, 1, 4), nn::Tanh());
  made.discriminator =
      std::make_shared<nn::Sequential>(shrink(1, 64), nn::LeakyReLU(0.2),                           // (N, 64, 14, 14)
                                       shrink(64, 128), nn::BatchNorm2d(128), nn::LeakyReLU(0.2),   // (N, 128, 7, 7)
                                       shrink(128, 256), nn::BatchNorm2d(256), nn::LeakyReLU(0.2),  // (N, 256, 3, 3)
                                       nn::Conv2d(256, 1, 3, {.bias = false}), nn::Flatten(0));
  for (const auto& net : {made.generator, made.discriminator}) {
    fill_parameters(*net);
    net->train();
  }
  made.noise = Tensor::empty({batch, 100, 1, 1}, DType::f32);
  made.images = Tensor::empty({batch, 1, 28, 28}, DType::f32);
  fill_input(made.noise.data<float>(), made.noise.numel());
  fill_target(made.images.data<float>(), made.images.numel());
  made.ones = kernels::ones({batch});
  made.zeros = kernels::zeros({batch});
  return made;
}

}  // namespace hop::bench
