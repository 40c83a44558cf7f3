// Core alone: fit y = 3 x - 1 to eight points by gradient descent.
#include <hopscotch/autograd/graph.h>
#include <hopscotch/autograd/ops.h>
#include <hopscotch/nn/init.h>
#include <hopscotch/nn/layers.h>
#include <hopscotch/nn/optim/sgd.h>

#include <iostream>

int main() {
  const auto x = hop::Tensor::from<float>({-4, -3, -2, -1, 1, 2, 3, 4}, {8, 1});
  const auto y = hop::Tensor::from<float>({-13, -10, -7, -4, 2, 5, 8, 11}, {8, 1});
  hop::nn::Linear line(1, 1);
  hop::nn::init_parameters(line, /*key=*/2026);
  hop::optim::SGD sgd(line.parameters(), {.lr = 0.05});
  double last_loss = 0;
  for (int step = 0; step < 200; ++step) {
    sgd.zero_grad();
    const auto loss = hop::mse_loss(line(x), y);
    hop::backward(loss);
    sgd.step();
    last_loss = loss.item<double>();
  }
  std::cout << "y = " << line.weight.item<float>() << " x + " << line.bias.item<float>() << ", loss " << last_loss
            << '\n';
  return last_loss < 1e-6 ? 0 : 1;
}
