// Nets on images with channels last, on the CPU: every image that a module gives lies so, too, and values and gradients
// are those of planes.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autograd/graph.h"
#include "autograd/memory_format.h"
#include "nn/init.h"
#include "nn/models.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

constexpr MemoryFormat kLast = MemoryFormat::channels_last;

struct Net {
  std::string name;
  Shape images;
  std::function<std::unique_ptr<Module>(DType)> make;
};

/// Channels are more than four wherever a convolution ends: pictures stay planes in f32.
std::vector<Net> nets() {
  using namespace models;
  return {
      {"resnet18",
       {2, 6, 32, 33},
       [](DType dtype) {
         return std::make_unique<ResNet>(ResNetOptions{.classes = 5, .channels = 6, .width = 8, .dtype = dtype});
       }},
      {"resnet of bottlenecks",
       {2, 3, 9, 8},
       [](DType dtype) {
         return std::make_unique<ResNet>(ResNetOptions{.layers = {1, 1, 1, 1},
                                                       .bottleneck = true,
                                                       .classes = 5,
                                                       .width = 5,
                                                       .small_images = true,
                                                       .dtype = dtype});
       }},
      {"unet",
       {1, 3, 39, 35},  // pads on the way up; at the bottom there are several pixels
       [](DType dtype) { return std::make_unique<UNet>(UNetOptions{.classes = 6, .width = 6, .dtype = dtype}); }},
      {"dcgan's discriminator",
       {2, 3, 64, 64},
       [](DType dtype) { return std::make_unique<DCGANDiscriminator>(DCGANOptions{.width = 5, .dtype = dtype}); }},
      {"mobilenet_v2",
       {2, 3, 17, 16},
       [](DType dtype) {
         return std::make_unique<MobileNetV2>(
             MobileNetV2Options{.classes = 5, .width = 0.25, .small_images = true, .dtype = dtype});
       }},
  };
}

/// What a run leaves: outputs, then the gradients of the images and of all parameters.
struct Outcome {
  std::vector<Tensor> tensors;
  int images = 0;            // that modules gave
  std::string out_of_order;  // the names of modules that gave planes
};

Outcome run(const Net& net, DType dtype, MemoryFormat format) {
  const std::unique_ptr<Module> module = net.make(dtype);
  init_parameters(*module, 11);
  module->set_random_key(12);
  Outcome result;
  for (auto& [name, part] : module->named_modules()) {
    part->register_forward_hook([&result, name = name](Module&, const Tensor&, const Tensor& y) {
      if (y.dim() == 4) ++result.images;
      if (y.dim() == 4 && !is_contiguous(y, kLast)) result.out_of_order += " " + name;
      return Tensor();
    });
  }
  const Tensor planes = to(randn(net.images, {.key = 13, .step = 0, .draw = 0}), dtype);
  const Tensor x = to(planes, format).detach().set_requires_grad();
  const Tensor y = (*module)(x);
  backward(sum(y * to(randn(y.shape(), {.key = 14, .step = 0, .draw = 0}), dtype)));
  result.tensors = {y.detach(), x.grad()};
  for (const Tensor& p : module->parameters()) result.tensors.push_back(p.grad());
  return result;
}

TEST(ChannelsLastNets, EveryImageInANetHasTheLayoutOfItsInput) {
  for (const Net& net : nets()) {
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
      const Outcome last = run(net, dtype, kLast);
      EXPECT_GT(last.images, 8) << net.name;
      EXPECT_EQ(last.out_of_order, "") << net.name << " in " << name(dtype);
    }
  }
}

TEST(ChannelsLastNets, ValuesAndGradientsAreThoseOfPlanes) {
  for (const Net& net : nets()) {
    const Outcome planes = run(net, DType::f64, MemoryFormat::contiguous), last = run(net, DType::f64, kLast);
    ASSERT_EQ(planes.tensors.size(), last.tensors.size());
    for (std::size_t i = 0; i < planes.tensors.size(); ++i) {
      const Tensor& expected = planes.tensors[i];
      const double error = max(abs(last.tensors[i] - expected)).item<double>(),
                   size = max(abs(expected)).item<double>();
      EXPECT_LE(error, 1e-12 * (1 + size)) << net.name << ", tensor " << i;
    }
  }
}

TEST(ChannelsLastNets, AGeneratorsImagesHaveItFromTheFirstConvolutionOn) {
  models::DCGANGenerator net({.latent = 6, .width = 5, .channels = 5});
  init_parameters(net, 1);
  int images = 0;
  for (auto& [name, part] : net.named_modules()) {
    part->register_forward_hook([&images](Module&, const Tensor&, const Tensor& y) {
      EXPECT_TRUE(is_contiguous(y, kLast)) << ++images;
      return Tensor();
    });
  }
  const Tensor y = net(to(randn({2, 6, 1, 1}, {.key = 2, .step = 0, .draw = 0}), kLast));
  EXPECT_EQ(y.shape(), (Shape{2, 5, 64, 64}));
  EXPECT_FALSE(y.is_contiguous());
}

}  // namespace
}  // namespace hop::nn
