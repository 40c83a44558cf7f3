// LibTorch's first example: a small convolutional network for MNIST. The digits are stripes here: no download.
#include "data.h"
#include "twin.h"

using namespace hop;

struct Net : nn::Module {
  nn::Conv2d conv1 = register_module("conv1", nn::Conv2d(1, 10, 5));
  nn::Conv2d conv2 = register_module("conv2", nn::Conv2d(10, 20, 5));
  nn::Dropout2d conv2_drop = register_module("conv2_drop", nn::Dropout2d());
  nn::Linear fc1 = register_module("fc1", nn::Linear(320, 50));
  nn::Dropout drop = register_module("drop", nn::Dropout());
  nn::Linear fc2 = register_module("fc2", nn::Linear(50, 10));

  Tensor forward(const Tensor& images) override {               // (N, 1, 28, 28)
    Tensor x = relu(max_pool2d(conv1(images), 2));              // (N, 10, 12, 12)
    x = flatten(relu(max_pool2d(conv2_drop(conv2(x)), 2)), 1);  // (N, 20 * 4 * 4)
    return log_softmax(fc2(drop(relu(fc1(x)))), 1);             // (N, 10)
  }
};

int main(int argc, char** argv) {
  ports::Twin twin(argc, argv);
  const ports::Images train = ports::stripes(320, 28, twin.dtype());
  data::DataLoader loader({train.x, train.label}, {.batch_size = 16, .shuffle = !twin.compares()});

  Net net;
  nn::init_parameters(net, 1);
  net.set_random_key(2);  // of the dropouts
  twin.start(net);
  optim::SGD sgd(net.parameters(), {.lr = 0.05, .momentum = 0.5});
  for (int epoch = 0; epoch < (twin.compares() ? 1 : 6); ++epoch) {
    net.train(!twin.compares());  // the two draw other dropout masks, so they are compared without
    for (const std::vector<Tensor>& batch : loader) {
      sgd.zero_grad();
      const Tensor loss = nll_loss(net(batch[0]), batch[1]);
      backward(loss);
      sgd.step();
      twin.losses({loss.item<double>()});
    }
  }

  net.eval();
  const NoGradGuard no_grad;
  const ports::Images test = ports::stripes(200, 28, twin.dtype(), 1000);
  const double accuracy = ports::share(argmax(net(test.x), 1) == test.label);
  std::printf("accuracy on new images: %.3f\n", accuracy);
  return twin.verdict(accuracy > 0.3);
}
