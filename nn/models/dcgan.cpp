#include "nn/models/dcgan.h"

#include <algorithm>
#include <vector>

#include "autograd/ops.h"
#include "base/error.h"
#include "kernels/expect_internal.h"
#include "nn/init.h"
#include "nn/layers/activation.h"
#include "nn/layers/conv.h"
#include "nn/layers/norm.h"
#include "nn/loss.h"

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

// The sides of the generator's images, the last one's first: halves, rounded up, down to 3 or 4.
std::vector<std::int64_t> sides_of(const DCGANOptions& o) {
  constexpr std::int64_t kLeast = 8;
  if (o.side < kLeast) {
    throw ConfigError("[DCGAN] expected images of at least 8 x 8, got " + std::to_string(o.side) + " x " +
                      std::to_string(o.side));
  }
  std::vector<std::int64_t> sides = {o.side};
  while (sides.back() > 4) sides.push_back((sides.back() + 1) / 2);
  return sides;
}

// The first layer makes an image of one number.
Normal<ConvTranspose2d> begin(std::int64_t in, std::int64_t out, std::int64_t side, DType dtype) {
  return {in, out, side, {.bias = false, .dtype = dtype}};
}

// Doubles the side of the image, or makes one less than the double.
Normal<ConvTranspose2d> grow(std::int64_t in, std::int64_t out, bool makes_odd, DType dtype) {
  return {in, out, makes_odd ? 3 : 4, {.stride = 2, .padding = 1, .bias = false, .dtype = dtype}};
}

// Halves the side of the image, rounded down.
Normal<Conv2d> shrink(std::int64_t in, std::int64_t out, DType dtype) {
  return {in, out, 4, {.stride = 2, .padding = 1, .bias = false, .dtype = dtype}};
}

// The last layer makes one number of an image.
Normal<Conv2d> judge(std::int64_t in, std::int64_t side, DType dtype) {
  return {in, 1, side, {.bias = false, .dtype = dtype}};
}

Sequential generator_of(const DCGANOptions& o) {
  const std::vector<std::int64_t> sides = sides_of(o);
  Sequential layers;
  std::int64_t in = o.latent;
  for (std::size_t i = sides.size() - 1; i > 0; --i) {
    const std::int64_t out = o.width << (i - 1);
    const bool is_first = i + 1 == sides.size();
    layers.push_back(is_first ? begin(in, out, sides[i], o.dtype) : grow(in, out, sides[i] % 2 == 1, o.dtype));
    layers.push_back(BatchNorm2d(out, {.dtype = o.dtype}));
    layers.push_back(ReLU());
    in = out;
  }
  layers.push_back(grow(in, o.channels, o.side % 2 == 1, o.dtype));
  layers.push_back(Tanh());
  return layers;
}

Sequential discriminator_of(const DCGANOptions& o) {
  const std::size_t halvings = sides_of(o).size() - 1;
  Sequential layers;
  std::int64_t in = o.channels, side = o.side;
  for (std::size_t i = 0; i < halvings; ++i) {
    const std::int64_t out = o.width << i;
    layers.push_back(shrink(in, out, o.dtype));
    if (i > 0) layers.push_back(BatchNorm2d(out, {.dtype = o.dtype}));
    layers.push_back(LeakyReLU(0.2));
    in = out;
    side /= 2;
  }
  layers.push_back(judge(in, side, o.dtype));
  return layers;
}

// While it lives, the module's parameters take no gradient.
class Frozen {
 public:
  explicit Frozen(const Module& module) : thawed_(module.parameters()) {
    std::erase_if(thawed_, [](const Tensor& p) { return !p.requires_grad(); });
    for (const Tensor& p : thawed_) p.set_requires_grad(false);
  }
  ~Frozen() {
    for (const Tensor& p : thawed_) p.set_requires_grad(true);
  }
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  std::vector<Tensor> thawed_;
};

}  // namespace

DCGANGenerator::DCGANGenerator(const DCGANOptions& o) : main(register_module("main", generator_of(o))) {}

DCGANDiscriminator::DCGANDiscriminator(const DCGANOptions& o) : main(register_module("main", discriminator_of(o))) {}

Tensor DCGANDiscriminator::forward(const Tensor& images) {
  const Tensor y = main(images);
  return reshape(y, {y.size(0)});
}

DCGAN::DCGAN(const DCGANOptions& o)
    : generator(register_module("generator", DCGANGenerator(o))),
      discriminator(register_module("discriminator", DCGANDiscriminator(o))),
      latent_(o.latent),
      channels_(o.channels),
      side_(o.side) {}

void DCGAN::check(const Tensor& images) const {
  kernels::expect_defined("DCGAN", images);
  if (images.dim() == 4 && images.size(1) == channels_ && images.size(2) == side_ && images.size(3) == side_) return;
  throw ShapeError("[DCGAN] expected images (N, " + std::to_string(channels_) + ", " + std::to_string(side_) + ", " +
                   std::to_string(side_) + "), got " + images.shape().to_string());
}

Tensor DCGAN::forward(const Tensor& images) {
  check(images);
  return unsqueeze(sigmoid(discriminator(images)), 1);
}

Tensor DCGAN::loss(const Tensor& images) {
  check(images);
  const Shape shape{images.size(0), latent_, 1, 1};
  return loss(images, randn(shape, next_random(), {.dtype = images.dtype(), .device = images.device()}));
}

Tensor DCGAN::loss(const Tensor& images, const Tensor& noise) {
  check(images);
  const BCEWithLogitsLoss judged;
  const Tensor made = generator(noise);
  const Tensor on_real = discriminator(images), on_made = discriminator(made.detach());
  const Tensor real = ones_like(on_real), false_ones = zeros_like(on_made);
  const Tensor of_discriminator = judged(on_real, real) + judged(on_made, false_ones);
  const Frozen frozen(discriminator);
  return of_discriminator + judged(discriminator(made), real);
}

}  // namespace hop::nn::models
