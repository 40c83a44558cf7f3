// DCGAN, as in LibTorch's tutorial, with fewer channels: two networks and two optimizers that take turns.
#include "data.h"
#include "twin.h"

using namespace hop;

constexpr std::int64_t kNoise = 16, kBatch = 8;

int main(int argc, char** argv) {
  nn::Sequential generator(nn::ConvTranspose2d(kNoise, 32, 4, {.bias = false}),  // (N, 32, 4, 4)
                           nn::BatchNorm2d(32), nn::ReLU(),
                           nn::ConvTranspose2d(32, 16, 3, {.stride = 2, .padding = 1, .bias = false}),  // (N, 16, 7, 7)
                           nn::BatchNorm2d(16), nn::ReLU(),
                           nn::ConvTranspose2d(16, 8, 4, {.stride = 2, .padding = 1, .bias = false}),  // (N, 8, 14, 14)
                           nn::BatchNorm2d(8), nn::ReLU(),
                           nn::ConvTranspose2d(8, 1, 4, {.stride = 2, .padding = 1, .bias = false}),  // (N, 1, 28, 28)
                           nn::Tanh());
  nn::Sequential discriminator(
      nn::Conv2d(1, 8, 4, {.stride = 2, .padding = 1, .bias = false}),                       // (N, 8, 14, 14)
      nn::LeakyReLU(0.2), nn::Conv2d(8, 16, 4, {.stride = 2, .padding = 1, .bias = false}),  // (N, 16, 7, 7)
      nn::BatchNorm2d(16), nn::LeakyReLU(0.2),
      nn::Conv2d(16, 32, 4, {.stride = 2, .padding = 1, .bias = false}),               // (N, 32, 3, 3)
      nn::BatchNorm2d(32), nn::LeakyReLU(0.2), nn::Conv2d(32, 1, 3, {.bias = false}),  // (N, 1, 1, 1)
      nn::Flatten(0), nn::Sigmoid());                                                  // (N)
  nn::init_parameters(generator, 1);
  nn::init_parameters(discriminator, 2);

  ports::Twin twin(argc, argv);
  twin.start(generator, "generator");
  twin.start(discriminator, "discriminator");
  optim::Adam generator_adam(generator.parameters(), {.lr = 2e-4, .beta1 = 0.5});
  optim::Adam discriminator_adam(discriminator.parameters(), {.lr = 2e-4, .beta1 = 0.5});
  const Tensor real_labels = ones(kBatch, twin.dtype()), fake_labels = zeros(kBatch, twin.dtype());

  double first = 0, last = 0;
  for (int step = 0; step < (twin.compares() ? 20 : 60); ++step) {
    const Tensor real_images = ports::stripes(kBatch, 28, twin.dtype(), step * kBatch).x;
    const Tensor fake_images = generator(twin.randn({kBatch, kNoise, 1, 1}));

    // The discriminator learns to tell them apart ..
    discriminator_adam.zero_grad();
    const Tensor d_loss_real = binary_cross_entropy(discriminator(real_images), real_labels);
    backward(d_loss_real);
    const Tensor d_loss_fake = binary_cross_entropy(discriminator(fake_images.detach()), fake_labels);
    backward(d_loss_fake);
    discriminator_adam.step();

    // .. and the generator to deceive it.
    generator_adam.zero_grad();
    const Tensor g_loss = binary_cross_entropy(discriminator(fake_images), real_labels);
    backward(g_loss);
    generator_adam.step();
    last = d_loss_real.item<double>() + d_loss_fake.item<double>();
    if (step == 0) first = last;
    twin.losses({last, g_loss.item<double>()});
  }
  return twin.verdict(last < first - 0.1);  // that of the discriminator
}
