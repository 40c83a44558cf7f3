// Layers and losses against PyTorch: outputs, gradients, running statistics.
#include "autograd/graph.h"
#include "nn/layers.h"
#include "nn/loss.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;

constexpr double kTolerance = 2e-6;

// Loads the case's parameters, runs it forward and backward, and compares everything that PyTorch recorded.
void check(const std::string& name, Module& module) {
  StateDict given;
  for (const NamedTensor& entry : module.state_dict()) given.push_back({entry.name, golden(name + "." + entry.name)});
  module.load_state_dict(given);
  const Tensor x = clone(golden(name + ".x"));
  if (is_floating(x.dtype())) x.set_requires_grad();
  const Tensor y = module(x);
  expect_close(y, golden(name + ".y"), kTolerance, name + ".y");
  backward(y, {.gradient = golden(name + ".g")});
  if (is_floating(x.dtype())) expect_close(x.grad(), golden(name + ".x.grad"), kTolerance, name + ".x.grad");
  for (const NamedTensor& p : module.named_parameters()) {
    expect_close(p.tensor.grad(), golden(name + "." + p.name + ".grad"), kTolerance, name + "." + p.name + ".grad");
  }
  for (const NamedTensor& b : module.named_buffers()) {
    expect_close(b.tensor, golden(name + ".after." + b.name), kTolerance, name + ".after." + b.name);
  }
}

template <class M>
void check(const std::string& name, M module) {
  check(name, static_cast<Module&>(module));
}

TEST(GoldenLayers, LinearAgreesWithPyTorch) {
  check("linear", Linear(5, 3));
  check("linear_no_bias", Linear(5, 3, {.bias = false}));
}

TEST(GoldenLayers, Conv2dAgreesWithPyTorch) {
  check("conv2d", Conv2d(3, 4, 3));
  check("conv2d_options",
        Conv2d(4, 6, {3, 2}, {.stride = {2, 1}, .padding = {1, 2}, .dilation = {1, 2}, .groups = 2, .bias = false}));
}

TEST(GoldenLayers, BatchNormAgreesWithPyTorchAndMovesItsRunningStatistics) {
  check("batch_norm2d", BatchNorm2d(3));
  check("batch_norm1d", BatchNorm1d(3, {.eps = 1e-3, .momentum = 0.3}));
}

TEST(GoldenLayers, BatchNormInEvaluationUsesAndKeepsTheRunningStatistics) {
  BatchNorm2d module(3);
  module.eval();
  check("batch_norm2d_eval", module);
}

TEST(GoldenLayers, LayerNormAgreesWithPyTorch) { check("layer_norm", LayerNorm({3, 4})); }

TEST(GoldenLayers, GroupNormAgreesWithPyTorch) {
  check("group_norm", GroupNorm(2, 6));
  check("group_norm_options", GroupNorm(3, 3, {.eps = 1e-3}));
  check("group_norm_plain", GroupNorm(1, 4, {.affine = false}));
}

TEST(GoldenLayers, EmbeddingAgreesWithPyTorchAlsoForRepeatedIndices) { check("embedding", Embedding(6, 3)); }

TEST(GoldenLayers, CategoryEmbeddingAgreesWithATablePerCategoryOfPyTorch) {
  check("category_embedding", CategoryEmbedding({4, 1}, 3));
}

TEST(GoldenLayers, PoolingAgreesWithPyTorch) {
  check("max_pool2d", MaxPool2d(3, {.stride = 2, .padding = 1}));
  check("avg_pool2d", AvgPool2d({2, 3}, {.padding = 1}));
  check("global_avg_pool2d", GlobalAvgPool2d());
}

TEST(GoldenLayers, ActivationsAgreeWithPyTorch) {
  check("relu", ReLU());
  check("leaky_relu", LeakyReLU(0.2));
  check("elu", ELU(0.7));
  check("sigmoid", Sigmoid());
  check("tanh", Tanh());
  check("gelu", GELU());
  check("silu", SiLU());
  check("softmax", Softmax(1));
}

TEST(GoldenLosses, CrossEntropyAgreesWithPyTorch) {
  const Tensor x = clone(golden("cross_entropy.x")).set_requires_grad();
  const Tensor loss = CrossEntropyLoss{}(x, golden("cross_entropy.labels"));
  backward(loss);
  expect_close(loss, golden("cross_entropy.y"), kTolerance);
  expect_close(x.grad(), golden("cross_entropy.x.grad"), kTolerance);
}

TEST(GoldenLosses, MseLossAgreesWithPyTorch) {
  const Tensor x = clone(golden("mse_loss.x")).set_requires_grad();
  const Tensor loss = loss_by_name("mse")(x, golden("mse_loss.target"));
  backward(loss);
  expect_close(loss, golden("mse_loss.y"), kTolerance);
  expect_close(x.grad(), golden("mse_loss.x.grad"), kTolerance);
}

}  // namespace
}  // namespace hop::nn
