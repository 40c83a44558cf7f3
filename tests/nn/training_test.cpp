// Small models learn small problems, in PyTorch's calling style.
#include "autograd/graph.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/adam.h"
#include "nn/optim/sgd.h"
#include "tensor/random.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;

// One column per class in, the fraction of right answers out.
double accuracy(const Tensor& logits, const Tensor& labels) {
  const std::vector<double> guess = values(argmax(logits, 1)), truth = values(labels);
  std::size_t right = 0;
  for (std::size_t i = 0; i < guess.size(); ++i) right += guess[i] == truth[i] ? 1 : 0;
  return static_cast<double>(right) / static_cast<double>(guess.size());
}

struct Xor : Module {
  Linear fc1 = register_module("fc1", Linear(2, 8));
  Linear fc2 = register_module("fc2", Linear(8, 1));
  Tensor forward(const Tensor& x) override { return fc2(tanh(fc1(x))); }
};

TEST(Training, AUsersModuleLearnsXor) {
  const Tensor x = Tensor::from<float>({0, 0, 0, 1, 1, 0, 1, 1}, {4, 2}), y = Tensor::from<float>({0, 1, 1, 0}, {4, 1});
  Xor model;
  init_parameters(model, 2026);
  optim::SGD sgd(model.parameters(), {.lr = 0.1, .momentum = 0.9});
  for (int step = 0; step < 500; ++step) {
    sgd.zero_grad();
    backward(mse_loss(model(x), y));
    sgd.step();
  }
  EXPECT_LT(mse_loss(model(x), y).item<double>(), 1e-3);
}

// Two interleaved half circles with noise (scikit-learn's make_moons).
std::pair<Tensor, Tensor> two_moons(std::int64_t n) {
  PhiloxStream random({.key = 1});
  std::vector<float> x;
  std::vector<std::int64_t> y;
  for (std::int64_t i = 0; i < n; ++i) {
    const double angle = 3.14159 * random.uniform();
    const bool lower = i % 2 == 1;
    x.push_back(static_cast<float>((lower ? 1 - std::cos(angle) : std::cos(angle)) + 0.1 * random.normal()));
    x.push_back(static_cast<float>((lower ? 0.5 - std::sin(angle) : std::sin(angle)) + 0.1 * random.normal()));
    y.push_back(lower ? 1 : 0);
  }
  return {Tensor::from<float>(x, {n, 2}), Tensor::from<std::int64_t>(y, {n})};
}

TEST(Training, ANormalisedMlpSeparatesTwoMoons) {
  const auto [x, y] = two_moons(128);
  Sequential model(Linear(2, 16), BatchNorm1d(16), ReLU(), Dropout(0.1), Linear(16, 2));
  init_parameters(model, 1);
  model.set_random_key(2);
  optim::Adam adam(model.parameters(), {.lr = 0.02});
  for (int step = 0; step < 150; ++step) {
    model.set_step(static_cast<std::uint64_t>(step));
    adam.zero_grad();
    backward(cross_entropy(model(x), y));
    adam.step();
  }
  model.eval();
  const NoGradGuard no_grad;
  EXPECT_GE(accuracy(model(x), y), 0.97);
}

}  // namespace
}  // namespace hop::nn
