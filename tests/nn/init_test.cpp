// Initial weights: their distribution, and that they are a function of (key, name) alone.
#include "nn/init.h"

#include <numeric>

#include "nn/layers.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;

struct Moments {
  double mean, std, largest;
};

Moments moments(const Tensor& t) {
  const std::vector<double> v = values(t);
  const double n = static_cast<double>(v.size());
  const double mean = std::accumulate(v.begin(), v.end(), 0.0) / n;
  double squares = 0, largest = 0;
  for (const double x : v) {
    squares += (x - mean) * (x - mean);
    largest = std::max(largest, std::abs(x));
  }
  return {mean, std::sqrt(squares / n), largest};
}

// A sample of the uniform distribution on (-bound, bound).
void expect_uniform(const Tensor& t, double bound) {
  const Moments m = moments(t);
  EXPECT_LE(m.largest, bound * (1 + 1e-6));
  const double n = static_cast<double>(t.numel()), std = bound / std::sqrt(3.0);
  EXPECT_GT(m.largest, (1 - 10 / n) * bound);
  EXPECT_NEAR(m.mean, 0, 4 * std / std::sqrt(n));
  EXPECT_NEAR(m.std, std, 3 * std / std::sqrt(n));
}

void expect_normal(const Tensor& t, double std) {
  const Moments m = moments(t);
  EXPECT_NEAR(m.mean, 0, 0.04 * std);
  EXPECT_NEAR(m.std, std, 0.04 * std);
  EXPECT_GT(m.largest, 3 * std);
}

TEST(Init, LinearAndConv2dStartAsInPyTorch) {
  Linear fc(64, 200);
  init_parameters(fc, 1);
  expect_uniform(fc.weight, 1 / std::sqrt(64.0));  // kaiming_uniform(a = sqrt 5)
  expect_uniform(fc.bias, 1 / std::sqrt(64.0));
  Conv2d conv(16, 200, 5, {.groups = 2});
  init_parameters(conv, 1);
  expect_uniform(conv.weight, 1 / std::sqrt(8.0 * 25));
  expect_uniform(conv.bias, 1 / std::sqrt(8.0 * 25));
}

TEST(Init, EmbeddingsAreNormalAndNormsStartAfresh) {
  Sequential net(Embedding(100, 100), BatchNorm1d(2), LayerNorm({2}));
  for (const NamedTensor& entry : net.state_dict()) init::constant_(entry.tensor, 7);
  init_parameters(net, 1);
  expect_normal(net.state_dict()[0].tensor, 1);
  StateDict dict = net.state_dict();
  const auto value = [&](const std::string& name) {
    for (const NamedTensor& entry : dict) {
      if (entry.name == name) return values(entry.tensor)[0];
    }
    return -1.0;
  };
  EXPECT_EQ(value("1.weight"), 1);
  EXPECT_EQ(value("1.bias"), 0);
  EXPECT_EQ(value("1.running_mean"), 0);
  EXPECT_EQ(value("1.running_var"), 1);
  EXPECT_EQ(value("1.num_batches_tracked"), 0);
  EXPECT_EQ(value("2.weight"), 1);
}

TEST(Init, WeightsAreAFunctionOfKeyAndNameAlone) {
  const auto weight_of = [](std::uint64_t key, int layers_before) {
    Sequential net;
    for (int i = 0; i < layers_before; ++i) net.push_back(Linear(3, 3));
    Sequential named;
    named.push_back(net);           // "0.*"
    named.push_back(Linear(5, 5));  // "1.weight"
    init_parameters(named, key);
    return bits(named.state_dict()[static_cast<std::size_t>(2 * layers_before)].tensor);
  };
  EXPECT_EQ(weight_of(1, 0), weight_of(1, 0));
  EXPECT_EQ(weight_of(1, 0), weight_of(1, 4));  // whatever else the model holds
  EXPECT_NE(weight_of(1, 0), weight_of(2, 0));
  Sequential twins(Linear(5, 5), Linear(5, 5));
  init_parameters(twins, 1);
  EXPECT_NE(bits(twins.state_dict()[0].tensor), bits(twins.state_dict()[2].tensor));
}

TEST(Init, TheNamedDistributionsHaveTheirTextbookScale) {
  const Tensor w = kernels::zeros({200, 50, 2, 2});  // fan in 200, fan out 800
  const RandomAddress address{.key = 3};
  init::kaiming_uniform_(w, address);
  expect_uniform(w, std::sqrt(6.0 / 200));
  init::kaiming_normal_(w, address, {.mode = init::Fan::out, .nonlinearity = init::Nonlinearity::relu});
  expect_normal(w, std::sqrt(2.0 / 800));
  init::xavier_uniform_(w, address, init::gain(init::Nonlinearity::tanh));
  expect_uniform(w, 5.0 / 3 * std::sqrt(6.0 / 1000));
  init::xavier_normal_(w, address);
  expect_normal(w, std::sqrt(2.0 / 1000));
  init::uniform_(w, address, 2, 3);
  EXPECT_NEAR(moments(w).mean, 2.5, 0.01);
  init::normal_(w, address, 5, 0.1);
  EXPECT_NEAR(moments(w).mean, 5, 0.01);
}

TEST(Init, AVectorHasNoFans) {
  EXPECT_EQ(message_of<ShapeError>([] { init::xavier_uniform_(kernels::zeros({3}), {}); }),
            "[xavier_uniform_] expected at least 2 dimensions, got (3)");
}

}  // namespace
}  // namespace hop::nn
