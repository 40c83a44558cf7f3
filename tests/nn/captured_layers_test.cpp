// Captured training steps of composed layers have the bits of eager ones, also with dropout.
#include "autograd/graph.h"
#include "kernels/capture.h"
#include "nn/clone.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/sgd.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using testing::bits;

template <class M>
void expect_captured_is_eager(M original, const Shape& shape) {
  constexpr int kSteps = 6;
  init_parameters(original, 7);
  std::string seen[2];
  int runs = 0;
  for (const bool captured : {false, true}) {
    M module = clone(original);
    const Tensor key = Tensor::from<std::int64_t>({5}, {1}), step = Tensor::from<std::int64_t>({0}, {1});
    module.set_random_source(key, step);
    optim::SGD optimizer(module.named_parameters(), optim::SGDOptions{.lr = 0.05, .momentum = 0.9});
    const auto work = [&](const Tensor& x) {
      module.begin_step();
      optimizer.zero_grad();
      const Tensor loss = mean(square(module(x)));
      backward(loss);
      optimizer.step();
      return loss.detach();
    };
    CapturedFunction f([&](std::span<const Tensor> t) {
      ++runs;
      return std::vector{work(t[0])};
    });
    for (int i = 0; i < kSteps; ++i) {
      const Tensor x = Tensor::empty(shape, DType::f32);
      init::uniform_(x, {.key = 11, .step = static_cast<std::uint64_t>(i)}, -1, 1);
      kernels::fill_(step, i);
      seen[captured] += bits(captured ? f({x})[0] : work(x));
    }
    for (const NamedTensor& entry : module.state_dict()) seen[captured] += bits(entry.tensor);
  }
  EXPECT_TRUE(seen[0] == seen[1]) << original.type_name();
  EXPECT_LT(runs, kSteps) << original.type_name();  // the others were replayed
}

/// The decoder's half of attention: no query sees a later key.
struct Causal : Module {
  MultiheadAttention attention = register_module("attention", MultiheadAttention(8, 2, {.dropout = 0.2}));
  Tensor forward(const Tensor& x) override {
    const Tensor y = functional::rotary_embedding(x);
    return attention(y, y, y, {.is_causal = true});
  }
};

/// Words of bags, looked up in a table with padding and a norm.
struct Words : Module {
  Embedding table = register_module("table", Embedding(6, 3, {.padding_idx = 1, .max_norm = 1.5}));
  EmbeddingBag sums = register_module("sums", EmbeddingBag(6, 3, {.mode = EmbeddingBagMode::sum, .padding_idx = 2}));
  EmbeddingBag maxima = register_module("maxima", EmbeddingBag(6, 3, {.mode = EmbeddingBagMode::max}));
  Tensor offsets = Tensor::from<std::int64_t>({0, 2, 2, 5}, {4});
  Tensor forward(const Tensor& x) override {
    const Tensor words = floor((x + 1) * 2.5);
    return table(words) + sum(cat({sums(words, offsets), maxima(words, offsets)}));
  }
};

/// Grouped heads, and weights that are asked for.
struct Grouped : Module {
  MultiheadAttention attention = register_module(
      "attention", MultiheadAttention(8, 2, {.dropout = 0.2, .add_bias_kv = true, .add_zero_attn = true, .kdim = 4}));
  Tensor forward(const Tensor& x) override {
    const AttentionResult y = attention.with_weights(x, chunk(x, 2, -1)[0], x);
    return y.output + sum(square(y.weights));
  }
};

TEST(CapturedLayers, HaveTheBitsOfEagerOnes) {
  expect_captured_is_eager(LSTM(3, 4, {.num_layers = 2, .dropout = 0.3, .bidirectional = true}), {5, 2, 3});
  expect_captured_is_eager(GRU(3, 4, {.batch_first = true}), {2, 5, 3});
  expect_captured_is_eager(TransformerEncoderLayer(8, 2, {.dim_feedforward = 16, .dropout = 0.2}), {4, 3, 8});
  expect_captured_is_eager(
      TransformerEncoder(TransformerEncoderLayer(8, 2, {.dim_feedforward = 16}), 2, LayerNorm({8})), {4, 3, 8});
  expect_captured_is_eager(Causal(), {4, 3, 8});
  expect_captured_is_eager(
      Sequential(Conv1d(3, 4, 3), InstanceNorm1d(4, {.affine = true}), PReLU(4), AlphaDropout(0.2), RMSNorm({5})),
      {2, 3, 7});
  expect_captured_is_eager(Sequential(Conv2d(3, 8, 3), Dropout2d(0.5), PixelShuffle(2), Upsample(2)), {2, 3, 5, 5});
  expect_captured_is_eager(
      Sequential(Conv1d(3, 4, 3), BatchNorm1d(4, {.momentum = std::nullopt, .bias = false}),
                 InstanceNorm1d(4, {.affine = true, .track_running_stats = true}), LayerNorm({5}, {.bias = false})),
      {2, 3, 7});
  expect_captured_is_eager(
      Sequential(Conv2d(3, 4, 3), Upsample({.scale_factor = {1.5}, .mode = InterpolateMode::bicubic}),
                 UpsamplingBilinear2d({.size = {3, 7}})),
      {2, 3, 5, 5});
  expect_captured_is_eager(Words(), {7});
  expect_captured_is_eager(Grouped(), {4, 3, 8});
  expect_captured_is_eager(TransformerEncoderLayer(8, 2,
                                                   {.dim_feedforward = 16,
                                                    .dropout = 0.2,
                                                    .activation = [](const Tensor& x) { return silu(x); },
                                                    .bias = false}),
                           {4, 8});
}

}  // namespace
}  // namespace hop::nn
