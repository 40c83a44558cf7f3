// Captured training steps of composed layers, and of every ready model, have the bits of eager ones, also with dropout.
#include "autograd/graph.h"
#include "kernels/capture.h"
#include "nn/clone.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/models.h"
#include "nn/optim/sgd.h"
#include "tests/nn/family_cases.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using testing::bits;

constexpr int kSteps = 6;

/// The bits of the losses and of the state after steps of `module` on the inputs input(0), input(1), ... Adds to `runs`
/// how often the step itself ran.
std::string bits_after_steps(Module& module, const std::function<Tensor(int step)>& input, bool captured, int& runs) {
  const Tensor key = Tensor::from<std::int64_t>({5}, {1}), step = Tensor::from<std::int64_t>({0}, {1});
  module.set_random_source(key, step);
  optim::SGD optimizer(module.named_parameters(), optim::SGDOptions{.lr = 0.05, .momentum = 0.9});
  const auto work = [&](const Tensor& x) {
    ++runs;
    module.begin_step();
    optimizer.zero_grad();
    const Tensor loss = mean(square(module(x)));
    backward(loss);
    optimizer.step();
    return loss.detach();
  };
  CapturedFunction f([&](std::span<const Tensor> t) { return std::vector{work(t[0])}; });
  std::string seen;
  for (int i = 0; i < kSteps; ++i) {
    const Tensor x = input(i);
    kernels::fill_(step, i);
    seen += bits(captured ? f({x})[0] : work(x));
  }
  for (const NamedTensor& entry : module.state_dict()) seen += bits(entry.tensor);
  return seen;
}

/// `eager` and `captured` have the same weights.
void expect_same_steps(Module& eager, Module& captured, const std::function<Tensor(int step)>& input) {
  int runs = 0, first_runs = 0;
  const std::string expected = bits_after_steps(eager, input, false, runs);
  EXPECT_EQ(runs, kSteps);
  EXPECT_TRUE(bits_after_steps(captured, input, true, first_runs) == expected);
  EXPECT_LT(first_runs, kSteps);  // the others were replayed
}

template <class M>
void expect_captured_is_eager(M original, const Shape& shape) {
  SCOPED_TRACE(original.type_name());
  init_parameters(original, 7);
  M eager = clone(original), captured = clone(original);
  expect_same_steps(eager, captured, [&](int step) {
    const Tensor x = Tensor::empty(shape, DType::f32);
    init::uniform_(x, {.key = 11, .step = static_cast<std::uint64_t>(step)}, -1, 1);
    return x;
  });
}

/// The decoder's half of attention: no query sees a later key.
struct Causal : Module {
  MultiheadAttention attention = register_module("attention", MultiheadAttention(8, 2, {.dropout = 0.2}));
  Tensor forward(const Tensor& x) override {
    const Tensor y = functional::rotary_embedding(x);
    return attention(y, y, y, {.is_causal = true});
  }
};

/// A decoder, with its input as the encoder's result, too.
struct Decoding : Module {
  TransformerDecoder decoder = register_module(
      "decoder", TransformerDecoder(TransformerDecoderLayer(8, 2, {.dim_feedforward = 16, .dropout = 0.2}), 2));
  Tensor forward(const Tensor& x) override { return decoder(x, x * 0.5, {.target = {.is_causal = true}}); }
};

/// Both halves.
struct Translation : Module {
  Transformer transformer = register_module(
      "transformer",
      Transformer({.d_model = 4, .nhead = 2, .num_encoder_layers = 1, .num_decoder_layers = 1, .dim_feedforward = 6}));
  Tensor forward(const Tensor& x) override { return transformer(x, slice(x, 0, 0, 2)); }
};

/// Bags of words: x in [-1, 1) chooses one of six.
struct Words : Module {
  EmbeddingBag bag = register_module("bag", EmbeddingBag(6, 3));
  Embedding embedding = register_module("embedding", Embedding(6, 3));
  Tensor forward(const Tensor& x) override {
    const Tensor words = hop::to(x * 3 + 3, DType::i64);
    return bag(words) * mean(embedding(words), {1});
  }
};

/// A step of a cell from a state that it has made itself.
struct Cells : Module {
  LSTMCell lstm = register_module("lstm", LSTMCell(3, 4));
  GRUCell gru = register_module("gru", GRUCell(4, 4));
  Tensor forward(const Tensor& x) override {
    const LSTMState state = lstm(x, lstm(x, {}));
    return gru(state.h, state.c);
  }
};

/// Words of bags, looked up in a table with padding and a norm.
struct BagsWithOptions : Module {
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
  expect_captured_is_eager(Decoding(), {4, 3, 8});
  expect_captured_is_eager(Translation(), {3, 2, 4});
  expect_captured_is_eager(Words(), {4, 5});
  expect_captured_is_eager(Cells(), {2, 3});
  expect_captured_is_eager(RNN(3, 4, {.num_layers = 2, .dropout = 0.3, .bidirectional = true}), {5, 2, 3});
  expect_captured_is_eager(
      Sequential(Conv1d(3, 4, 3), GroupNorm(2, 4), GELU(), ConvTranspose1d(4, 2, 3, {.stride = 2})), {2, 3, 7});
  expect_captured_is_eager(Sequential(Conv2d(3, 4, 3), BatchNorm2d(4), ReLU(), ConvTranspose2d(4, 2, 2, {.stride = 2})),
                           {2, 3, 5, 5});
  expect_captured_is_eager(
      Sequential(Conv3d(2, 3, 2), BatchNorm3d(3), SiLU(), ConvTranspose3d(3, 1, 2), AvgPool3d(2), Dropout3d(0.3)),
      {2, 2, 3, 4, 3});
  expect_captured_is_eager(Sequential(Linear(5, 6), LocalResponseNorm(3), FeatureAlphaDropout(0.2), RReLU()),
                           {2, 3, 5});
  expect_captured_is_eager(Sequential(Conv2d(2, 3, 2), FractionalMaxPool2d(2, {.output_size = 3}), MaxPool2d(2)),
                           {2, 2, 6, 7});
  expect_captured_is_eager(
      Sequential(Conv1d(3, 4, 3), BatchNorm1d(4, {.momentum = std::nullopt, .bias = false}),
                 InstanceNorm1d(4, {.affine = true, .track_running_stats = true}), LayerNorm({5}, {.bias = false})),
      {2, 3, 7});
  expect_captured_is_eager(
      Sequential(Conv2d(3, 4, 3), Upsample({.scale_factor = {1.5}, .mode = InterpolateMode::bicubic}),
                 UpsamplingBilinear2d({.size = {3, 7}})),
      {2, 3, 5, 5});
  expect_captured_is_eager(BagsWithOptions(), {7});
  expect_captured_is_eager(Grouped(), {4, 3, 8});
  expect_captured_is_eager(TransformerEncoderLayer(8, 2,
                                                   {.dim_feedforward = 16,
                                                    .dropout = 0.2,
                                                    .activation = [](const Tensor& x) { return silu(x); },
                                                    .bias = false}),
                           {4, 8});
}

TEST(CapturedLayers, OfReadyModelsHaveTheBitsOfEagerOnes) {
  for (const testing::FamilyCase& c : testing::family_cases()) {
    SCOPED_TRACE(c.family);
    const auto make = FamilyRegistry().find(c.family);
    const auto eager = make(c.request), captured = make(c.request);
    init_parameters(*eager, 7);
    captured->load_state_dict(eager->state_dict());
    // Other numbers in each step that are also what the model expects. The columns of a table have to stay.
    const std::int64_t dim = c.request.words.empty() ? -1 : 0;
    expect_same_steps(*eager, *captured, [&](int step) { return contiguous(roll(c.batch, {step}, {dim})); });
  }
  expect_captured_is_eager(models::DCGANGenerator({.latent = 3, .width = 1, .channels = 1}), {2, 3, 1, 1});
  expect_captured_is_eager(models::DCGANDiscriminator({.width = 1, .channels = 1}), {2, 1, 64, 64});
  expect_captured_is_eager(models::VAE({.inputs = 6, .hidden = 5, .latent = 2}), {3, 6});
}

}  // namespace
}  // namespace hop::nn
