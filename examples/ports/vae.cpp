// A variational autoencoder (Kingma & Welling, 2014), in the manner of PyTorch's example. (A ready one:
// nn/models/vae.h.)
#include "data.h"
#include "twin.h"

using namespace hop;

constexpr std::int64_t kSize = 12, kHidden = 32, kLatent = 4, kBatch = 16;

struct Result {
  Tensor reconstruction, mu, logvar;
};

struct VAE : nn::Module {
  nn::Linear fc1 = register_module("fc1", nn::Linear(kSize* kSize, kHidden));
  nn::Linear fc21 = register_module("fc21", nn::Linear(kHidden, kLatent));
  nn::Linear fc22 = register_module("fc22", nn::Linear(kHidden, kLatent));
  nn::Linear fc3 = register_module("fc3", nn::Linear(kLatent, kHidden));
  nn::Linear fc4 = register_module("fc4", nn::Linear(kHidden, kSize* kSize));

  Tensor decode(const Tensor& z) { return sigmoid(fc4(relu(fc3(z)))); }

  using nn::Module::forward;
  Result forward(const Tensor& x, ports::Twin& twin) {  // (N, kSize kSize)
    const Tensor h = relu(fc1(x)), mu = fc21(h), logvar = fc22(h);
    const Tensor z = mu + twin.randn({x.size(0), kLatent}) * exp(0.5 * logvar);
    return {decode(z), mu, logvar};
  }
};

// Reconstruction and divergence, summed over all pixels and variables: () per image.
Tensor vae_loss(const Result& result, const Tensor& x) {
  const Tensor bce = binary_cross_entropy(result.reconstruction, x, {.reduction = Reduction::sum});
  const Tensor divergence = -0.5 * sum(1 + result.logvar - result.mu * result.mu - exp(result.logvar));
  return (bce + divergence) / x.size(0);
}

int main(int argc, char** argv) {
  ports::Twin twin(argc, argv);
  VAE net;
  nn::init_parameters(net, 1);
  twin.start(net);
  optim::Adam adam(net.parameters(), {.lr = 5e-3});
  double first = 0, last = 0;
  for (int step = 0; step < (twin.compares() ? 20 : 150); ++step) {
    const Tensor images = ports::stripes(kBatch, kSize, DType::f64, step * kBatch).x;
    const Tensor x = to(flatten(images, 1) * 0.5 + 0.5, twin.dtype());  // from 0 to 1
    adam.zero_grad();
    const Tensor loss = vae_loss(net.forward(x, twin), x);
    backward(loss);
    adam.step();
    last = loss.item<double>();
    if (step == 0) first = last;
    twin.losses({last});
  }
  return twin.verdict(last < first - 2);
}
