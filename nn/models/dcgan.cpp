#include "nn/models/dcgan.h"

#include "autograd/view.h"
#include "nn/init.h"
#include "nn/layers/activation.h"
#include "nn/layers/conv.h"
#include "nn/layers/norm.h"

namespace hop::nn::models {
namespace {

constexpr double kStd = 0.02;

// The tutorial's first weights.
template <class Conv>
class Normal : public Conv {
 public:
  using Conv::Conv;
  void reset_parameters(const ParameterKeys& keys) override { init::normal_(this->weight, keys["weight"], 0, kStd); }
};

// Doubles the side of the image, or makes 4 of 1.
Normal<ConvTranspose2d> grow(std::int64_t in, std::int64_t out, bool is_first, DType dtype) {
  return {in, out, 4, {.stride = is_first ? 1 : 2, .padding = is_first ? 0 : 1, .bias = false, .dtype = dtype}};
}

// Halves the side of the image, or makes 1 of 4.
Normal<Conv2d> shrink(std::int64_t in, std::int64_t out, bool is_last, DType dtype) {
  return {in, out, 4, {.stride = is_last ? 1 : 2, .padding = is_last ? 0 : 1, .bias = false, .dtype = dtype}};
}

Sequential generator(const DCGANOptions& o) {
  Sequential layers;
  std::int64_t in = o.latent;
  for (const std::int64_t factor : {8, 4, 2, 1}) {
    const std::int64_t out = factor * o.width;
    layers.push_back(grow(in, out, factor == 8, o.dtype));
    layers.push_back(BatchNorm2d(out, {.dtype = o.dtype}));
    layers.push_back(ReLU());
    in = out;
  }
  layers.push_back(grow(in, o.channels, false, o.dtype));
  layers.push_back(Tanh());
  return layers;
}

Sequential discriminator(const DCGANOptions& o) {
  Sequential layers;
  std::int64_t in = o.channels;
  for (const std::int64_t factor : {1, 2, 4, 8}) {
    const std::int64_t out = factor * o.width;
    layers.push_back(shrink(in, out, false, o.dtype));
    if (factor > 1) layers.push_back(BatchNorm2d(out, {.dtype = o.dtype}));
    layers.push_back(LeakyReLU(0.2));
    in = out;
  }
  layers.push_back(shrink(in, 1, true, o.dtype));
  return layers;
}

}  // namespace

DCGANGenerator::DCGANGenerator(const DCGANOptions& o) : main(register_module("main", generator(o))) {}

DCGANDiscriminator::DCGANDiscriminator(const DCGANOptions& o) : main(register_module("main", discriminator(o))) {}

Tensor DCGANDiscriminator::forward(const Tensor& images) {
  const Tensor y = main(images);
  return reshape(y, {y.size(0)});
}

}  // namespace hop::nn::models
