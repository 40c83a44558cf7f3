// Every layer as a module on a device: the CPU judges outputs, gradients of inputs and parameters, and buffers.
#include "nn/layers.h"

#include "nn/clone.h"
#include "nn/init.h"
#include "tests/cuda/trained.h"

namespace hop::kernels::cuda {
namespace {

using namespace hop::testing;
using namespace hop::nn;

constexpr double kTolerance = 2e-5;

/// `call` computes with a module of type M and inputs.
template <class M, class Call>
void check(const M& original, const Tensors& inputs, const Call& call) {
  SCOPED_TRACE(original.type_name());
  M here = clone(original);
  init_parameters(here, 7);
  M there = clone(here);
  there.to(Device::cuda());
  Tensors inputs_there;
  for (const Tensor& x : inputs) inputs_there.push_back(on_device(x));
  const auto expected = pass(
      here, [&](Xs x) { return call(here, x); }, inputs);
  expect_near(pass(
                  there, [&](Xs x) { return call(there, x); }, inputs_there),
              expected, kTolerance);
}
template <class M>
void check(const M& original, const Tensor& x) {
  check(original, {x}, [](M& m, Xs inputs) { return m(inputs[0]); });
}
template <class M>
void check(const M& original, const Shape& shape) {
  check(original, random_tensor(shape, DType::f32, 5, -2, 2));
}

Tensor tensor(const Shape& shape, std::uint64_t seed) { return random_tensor(shape, DType::f32, seed, -2, 2); }
Tensor indices(const Shape& shape, std::int64_t end) {
  return random_tensor(shape, DType::i64, 6, 0, static_cast<double>(end));
}

using CudaLayers = OnDevice;

TEST_F(CudaLayers, ActivationsAreTheCpus) {
  const Shape shape = {2, 3, 4};
  check(ReLU(), shape);
  check(LeakyReLU(0.2), shape);
  check(ELU(0.7), shape);
  check(Sigmoid(), shape);
  check(Tanh(), shape);
  check(GELU(), shape);
  check(SiLU(), shape);
  check(LogSigmoid(), shape);
  check(Softsign(), shape);
  check(Hardsigmoid(), shape);
  check(Hardswish(), shape);
  check(Mish(), shape);
  check(SELU(), shape);
  check(ReLU6(), shape);
  check(Hardtanh(-0.5, 1), shape);
  check(CELU(0.7), shape);
  check(Softplus(2, 3), shape);
  check(PReLU(3), shape);
  check(Softmax(1), shape);
  check(LogSoftmax(0), shape);
  check(GLU(), shape);
  check(Hardshrink(0.7), shape);
  check(Softshrink(0.7), shape);
  check(Tanhshrink(), shape);
  check(Threshold(0.1, 20), shape);
  check(RReLU(), shape);
  check(Softmin(1), shape);
  check(Softmax2d(), {2, 3, 2, 2});
}

TEST_F(CudaLayers, ConvolutionsAndPoolsAreTheCpus) {
  check(Conv1d(4, 6, 3, {.stride = 2, .padding = 1, .groups = 2}), {2, 4, 7});
  check(Conv2d(2, 3, 3, {.padding = 1}), {2, 2, 5, 4});
  check(Conv3d(2, 3, 2), {1, 2, 3, 4, 3});
  check(ConvTranspose1d(3, 4, 3, {.stride = 2, .output_padding = 1}), {2, 3, 5});
  check(ConvTranspose2d(2, 3, 2, {.stride = 2}), {2, 2, 3, 4});
  check(ConvTranspose3d(2, 3, 2, {.stride = 2}), {1, 2, 2, 3, 2});
  check(Unfold(2), {2, 2, 3, 4});
  check(Fold({3, 4}, 2), {2, 8, 6});
  check(MaxPool1d(3, {.stride = 2, .padding = 1}), {2, 3, 7});
  check(MaxPool2d(2), {2, 2, 4, 5});
  check(MaxPool3d(2), {1, 2, 3, 4, 4});
  check(AvgPool1d(3, {.stride = 2}), {2, 3, 7});
  check(AvgPool2d({2, 3}, {.padding = 1}), {2, 2, 4, 5});
  check(AvgPool3d(2), {1, 2, 3, 4, 4});
  check(GlobalAvgPool2d(), {2, 3, 4, 5});
  check(AdaptiveAvgPool1d(3), {2, 3, 7});
  check(AdaptiveAvgPool2d({2, 3}), {2, 2, 5, 4});
  check(AdaptiveAvgPool3d(2), {1, 2, 3, 4, 3});
  check(AdaptiveMaxPool1d(3), {2, 3, 7});
  check(AdaptiveMaxPool2d(2), {2, 2, 5, 4});
  check(AdaptiveMaxPool3d(2), {1, 2, 3, 4, 3});
  check(LPPool1d(2, 3), {2, 3, 7});
  check(LPPool2d(2, 2), {2, 2, 4, 5});
  check(LPPool3d(2, 2), {1, 2, 2, 4, 3});
  check(FractionalMaxPool2d(2, {.output_size = 3}), {1, 2, 5, 6});
  check(FractionalMaxPool3d(2, {.output_size = 2}), {1, 2, 4, 3, 4});
  check(MaxUnpool1d(2), {tensor({2, 3, 6}, 1)}, [](MaxUnpool1d& m, Xs x) {
    const auto [maxima, places] = hop::max_pool1d_with_indices(x[0]);
    return m(maxima, places);
  });
  check(MaxUnpool2d(2), {tensor({2, 2, 4, 4}, 1)}, [](MaxUnpool2d& m, Xs x) {
    const auto [maxima, places] = hop::max_pool2d_with_indices(x[0]);
    return m(maxima, places);
  });
  check(MaxUnpool3d(2), {tensor({1, 2, 2, 4, 4}, 1)}, [](MaxUnpool3d& m, Xs x) {
    const auto [maxima, places] = hop::max_pool3d_with_indices(x[0]);
    return m(maxima, places);
  });
}

TEST_F(CudaLayers, ShapesPadsAndNoiseAreTheCpus) {
  check(Flatten(), {2, 3, 4});
  check(Unflatten(1, {2, 2}), {3, 4});
  check(Identity(), {3, 4});
  check(Upsample({2, 3}), {2, 2, 3, 2});
  check(PixelShuffle(2), {2, 4, 3, 2});
  check(PixelUnshuffle(2), {2, 2, 4, 2});
  check(ChannelShuffle(2), {2, 6, 3});
  check(ImageTokens(), {2, 3, 2, 2});
  check(TokenMean(), {2, 3, 4});
  check(LastToken(), {2, 3, 4});
  check(ZeroPad1d(2), {2, 3, 4});
  check(ZeroPad2d({1, 0, 2, 1}), {2, 2, 3, 4});
  check(ZeroPad3d(1), {1, 2, 2, 3, 2});
  check(ReflectionPad1d(2), {2, 3, 4});
  check(ReflectionPad2d(1), {2, 2, 3, 4});
  check(ReflectionPad3d(1), {1, 2, 2, 3, 2});
  check(ReplicationPad1d(2), {2, 3, 4});
  check(ReplicationPad2d(1), {2, 2, 3, 4});
  check(ReplicationPad3d(1), {1, 2, 2, 3, 2});
  check(CircularPad1d(2), {2, 3, 4});
  check(CircularPad2d(1), {2, 2, 3, 4});
  check(CircularPad3d(1), {1, 2, 2, 3, 2});
  check(ConstantPad1d(2, 0.5), {2, 3, 4});
  check(ConstantPad2d(1, 0.5), {2, 2, 3, 4});
  check(ConstantPad3d(1, 0.5), {1, 2, 2, 3, 2});
  check(Dropout(0.3), {5, 7});
  check(Dropout1d(0.3), {3, 5, 2});
  check(Dropout2d(0.3), {3, 5, 2, 2});
  check(Dropout3d(0.3), {3, 5, 2, 1, 2});
  check(AlphaDropout(0.3), {5, 7});
  check(FeatureAlphaDropout(0.3), {3, 5, 2});
  check(RandomCrop(1), {3, 2, 4, 4});
  check(RandomHorizontalFlip(), {5, 2, 2, 3});
}

TEST_F(CudaLayers, NormsAreTheCpus) {
  check(BatchNorm1d(5), {4, 5});
  check(BatchNorm2d(3, {.momentum = 0.3}), {2, 3, 4, 3});
  check(BatchNorm3d(2), {2, 2, 2, 3, 2});
  check(LayerNorm({3, 4}), {2, 3, 4});
  check(GroupNorm(2, 6), {2, 6, 3});
  check(RMSNorm({4}), {2, 3, 4});
  check(InstanceNorm1d(3, {.affine = true}), {2, 3, 5});
  check(InstanceNorm2d(3), {2, 3, 4, 3});
  check(InstanceNorm3d(2), {2, 2, 2, 3, 2});
  check(LocalResponseNorm(3, {.alpha = 0.3}), {2, 5, 3});
  check(Normalize(std::vector<double>{0.5, 0, 1}, std::vector<double>{2, 1, 0.25}), {2, 3, 2, 2});
}

TEST_F(CudaLayers, LinearOnesAreTheCpus) {
  check(Linear(5, 3), {4, 5});
  check(Bilinear(3, 4, 2), {tensor({5, 3}, 1), tensor({5, 4}, 2)}, [](Bilinear& m, Xs x) { return m(x[0], x[1]); });
  check(Embedding(6, 3), indices({2, 4}, 6));
  check(EmbeddingBag(6, 3), indices({2, 4}, 6));
  check(EmbeddingBag(6, 3, {.mode = EmbeddingBagMode::sum}), indices({2, 4}, 6));
  check(PositionalEmbedding(3, 4), {2, 3, 4});
  check(CategoryEmbedding({4, 1}, 3), hop::cat({tensor({3, 2}, 1), hop::to(indices({3, 2}, 2), DType::f32)}, 1));
  check(LinearCrossEntropyLoss(3, 5), {tensor({4, 3}, 1), indices({4}, 5)},
        [](LinearCrossEntropyLoss& m, Xs x) { return m(x[0], x[1]); });
  const AdaptiveLogSoftmaxWithLoss adaptive(4, 7, {2, 4}, {.div_value = 2});
  check(adaptive, {tensor({5, 4}, 1), indices({5}, 7)}, [](AdaptiveLogSoftmaxWithLoss& m, Xs x) {
    const AdaptiveLogSoftmaxResult result = m(x[0], x[1]);
    return result.output + result.loss;
  });
  check(adaptive, {5, 4});
}

TEST_F(CudaLayers, ContainersAreTheCpus) {
  check(Sequential(Linear(5, 3), Lambda([](const Tensor& x) { return hop::square(x); })), {4, 5});
  check(Residual(Sequential(Linear(5, 5), Tanh())), {4, 5});
  check(Residual(Sequential(Linear(5, 3)), Sequential(Linear(5, 3))), {4, 5});
}

TEST_F(CudaLayers, RecurrentOnesAreTheCpus) {
  const Shape sequence = {4, 2, 3};
  check(LSTM(3, 4, {.num_layers = 2, .dropout = 0.3, .bidirectional = true}), sequence);
  check(GRU(3, 4, {.batch_first = true}), {2, 4, 3});
  check(RNN(3, 4, {.nonlinearity = RNNNonlinearity::relu, .bidirectional = true}), sequence);
  check(LSTM(3, 4), {tensor(sequence, 1), tensor({1, 2, 4}, 2), tensor({1, 2, 4}, 3)}, [](LSTM& m, Xs x) {
    const LSTMResult result = m(x[0], {x[1], x[2]});
    return hop::sum(result.output) + result.state.h * result.state.c;
  });
  check(LSTMCell(3, 4), {tensor({2, 3}, 1), tensor({2, 4}, 2), tensor({2, 4}, 3)}, [](LSTMCell& m, Xs x) {
    const LSTMState state = m(x[0], {x[1], x[2]});
    return state.h + state.c;
  });
  check(GRUCell(3, 4), {tensor({2, 3}, 1), tensor({2, 4}, 2)}, [](GRUCell& m, Xs x) { return m(x[0], x[1]); });
  check(RNNCell(3, 4), {tensor({2, 3}, 1), tensor({2, 4}, 2)}, [](RNNCell& m, Xs x) { return m(x[0], x[1]); });
}

TEST_F(CudaLayers, TransformersAreTheCpus) {
  const Tensor padding = hop::ne(Tensor::from<std::int64_t>({0, 0, 1, 0, 0, 0}, {2, 3}), 0);
  check(MultiheadAttention(4, 2, {.dropout = 0.2}), {3, 2, 4});
  check(MultiheadAttention(4, 2), {tensor({2, 2, 4}, 1), tensor({3, 2, 4}, 2), tensor({3, 2, 4}, 3), padding},
        [](MultiheadAttention& m, Xs x) { return m(x[0], x[1], x[2], {.key_padding_mask = x[3]}); });
  check(SelfAttention(4, 2, {.dropout = 0.2, .is_causal = true}), {2, 3, 4});
  check(TransformerEncoderLayer(4, 2, {.dim_feedforward = 6, .dropout = 0.2}), {3, 2, 4});
  check(TransformerEncoder(TransformerEncoderLayer(4, 2, {.dim_feedforward = 6, .dropout = 0}), 2, LayerNorm({4})),
        {3, 2, 4});
  const TransformerDecoderLayer layer(4, 2, {.dim_feedforward = 6, .dropout = 0.2, .norm_first = true});
  check(layer, {tensor({2, 2, 4}, 1), tensor({3, 2, 4}, 2)},
        [](TransformerDecoderLayer& m, Xs x) { return m(x[0], x[1], {.target = {.is_causal = true}}); });
  check(TransformerDecoder(layer, 2), {tensor({2, 2, 4}, 1), tensor({3, 2, 4}, 2)},
        [](TransformerDecoder& m, Xs x) { return m(x[0], x[1]); });
  check(Transformer({.d_model = 4, .nhead = 2, .num_encoder_layers = 1, .num_decoder_layers = 1, .dim_feedforward = 6}),
        {tensor({3, 2, 4}, 1), tensor({2, 2, 4}, 2)}, [](Transformer& m, Xs x) { return m(x[0], x[1]); });
}

}  // namespace
}  // namespace hop::kernels::cuda
