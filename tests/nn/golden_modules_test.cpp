// Layers that are composed of operations against PyTorch, in f64: outputs, gradients of inputs and parameters, and the
// names of the parameters (golden/generate_layers.py).
#include <functional>
#include <string>
#include <utility>

#include "nn/functional.h"
#include "nn/layers.h"
#include "tests/nn/golden_module_cases.h"

namespace hop::nn {
namespace {

using testing::GoldenCases;
using testing::Tensors;
using testing::Xs;

GoldenCases& golden() {
  static GoldenCases cases("layers.safetensors", [](const std::string& name) {
    // PyTorch's gradients of these two hold a constant in f32: 1 / 6, and 1 / alpha.
    return name.starts_with("Hardsigmoid") || name.starts_with("CELU_options") ? 1e-8 : 1e-10;
  });
  return cases;
}

void check(const std::string& name, Module* module, const std::function<Tensors(Xs)>& op) {
  golden().check(name, module, op);
}

template <class M>
void check(const std::string& name, M module) {
  golden().check(name, std::move(module));
}

Tensors list(const LSTMResult& result) { return {result.output, result.state.h, result.state.c}; }
Tensors list(const RecurrentResult& result) { return {result.output, result.h_n}; }

template <class M>
void check_recurrent(const std::string& name, M module) {
  check(name, &module, [&](Xs x) { return list(module(x[0], x.size() > 1 ? x[1] : Tensor())); });
}

void check_lstm(const std::string& name, LSTM module) {
  check(name, &module, [&](Xs x) {
    const LSTMState state = x.size() > 1 ? LSTMState{x[1], x[2]} : LSTMState{};
    return list(module(x[0], state));
  });
}

void recurrent_layers() {
  constexpr DType kF64 = DType::f64;
  check_recurrent("rnn", RNN(3, 4, {.dtype = kF64}));
  check_recurrent("rnn_options", RNN(3, 4,
                                     {.num_layers = 2,
                                      .nonlinearity = RNNNonlinearity::relu,
                                      .bias = false,
                                      .bidirectional = true,
                                      .dtype = kF64}));
  check_lstm("lstm", LSTM(3, 4, {.dtype = kF64}));
  check_lstm("lstm_options", LSTM(3, 4, {.num_layers = 2, .batch_first = true, .bidirectional = true, .dtype = kF64}));
  check_lstm("lstm_no_bias", LSTM(3, 4, {.num_layers = 3, .bias = false, .dtype = kF64}));
  check_recurrent("gru", GRU(3, 4, {.dtype = kF64}));
  check_recurrent("gru_options",
                  GRU(3, 4, {.num_layers = 2, .batch_first = true, .bidirectional = true, .dtype = kF64}));
}

void recurrent_cells() {
  LSTMCell lstm(3, 4, {.dtype = DType::f64}), plain(3, 4, {.bias = false, .dtype = DType::f64});
  check("lstm_cell", &lstm, [&](Xs x) {
    const LSTMState next = lstm(x[0], {x[1], x[2]});
    return Tensors{next.h, next.c};
  });
  check("lstm_cell_no_state", &plain, [&](Xs x) {
    const LSTMState next = plain(x[0], {});
    return Tensors{next.h, next.c};
  });
  GRUCell gru(3, 4, {.dtype = DType::f64});
  check("gru_cell", &gru, [&](Xs x) { return Tensors{gru(x[0], x[1])}; });
  RNNCell rnn(3, 4, {.dtype = DType::f64});
  check("rnn_cell", &rnn, [&](Xs x) { return Tensors{rnn(x[0], x[1])}; });
  check("rnn_cell_relu", RNNCell(3, 4, {.nonlinearity = RNNNonlinearity::relu, .dtype = DType::f64}));
}

void attention() {
  const auto attend = [](const std::string& name, const AttentionOptions& options = {}) {
    check(name, nullptr, [&](Xs x) {
      AttentionOptions all = options;
      if (x.size() > 3) all.attn_mask = x[3];
      return Tensors{functional::scaled_dot_product_attention(x[0], x[1], x[2], all)};
    });
  };
  attend("attention");
  attend("attention_matrix");
  attend("attention_scale", {.scale = 0.3});
  attend("attention_causal", {.is_causal = true});
  attend("attention_bool");
  attend("attention_float");
  check("attention_float_infinite", nullptr, [](Xs x) {
    const Tensor mask = where(x[3], 0.0, full({3, 5}, -HUGE_VAL, {.dtype = DType::f64}));
    return Tensors{functional::scaled_dot_product_attention(x[0], x[1], x[2], {.attn_mask = mask})};
  });
}

void rotary() {
  check("rotary", nullptr, [](Xs x) { return Tensors{functional::rotary_embedding(x[0])}; });
  check("rotary_options", nullptr, [](Xs x) {
    return Tensors{functional::rotary_embedding(x[0], {.base = 500, .first = 7, .interleaved = false})};
  });
}

void multihead_attention() {
  const auto cross = [](const std::string& name, MultiheadAttention module) {
    check(name, &module, [&](Xs x) {
      const AttentionMasks masks = x.size() > 3 ? AttentionMasks{x[3], x[4]} : AttentionMasks{};
      return Tensors{module(x[0], x[1], x[2], masks)};
    });
  };
  check("mha_self", MultiheadAttention(6, 2, {.dtype = DType::f64}));
  cross("mha", MultiheadAttention(6, 3, {.dtype = DType::f64}));
  cross("mha_no_bias", MultiheadAttention(6, 2, {.bias = false, .batch_first = true, .dtype = DType::f64}));
  cross("mha_bool", MultiheadAttention(6, 2, {.dtype = DType::f64}));
  cross("mha_mixed", MultiheadAttention(6, 2, {.batch_first = true, .dtype = DType::f64}));
  MultiheadAttention causal(6, 2, {.dtype = DType::f64});
  check("mha_causal", &causal,
        [&](Xs x) { return Tensors{causal(x[0], x[0], x[0], {.key_padding_mask = x[1], .is_causal = true})}; });
}

void transformers() {
  const TransformerEncoderLayer layer(6, 2, {.dim_feedforward = 8, .dropout = 0, .dtype = DType::f64});
  const auto masked = [](const std::string& name, auto module) {
    check(name, &module, [&](Xs x) { return Tensors{module(x[0], {.key_padding_mask = x[1], .is_causal = true})}; });
  };
  check("encoder_layer", layer);
  masked("encoder_layer_options", TransformerEncoderLayer(6, 3,
                                                          {.dim_feedforward = 8,
                                                           .dropout = 0,
                                                           .activation = TransformerActivation::gelu,
                                                           .layer_norm_eps = 1e-3,
                                                           .batch_first = true,
                                                           .norm_first = true,
                                                           .dtype = DType::f64}));
  check("encoder", TransformerEncoder(layer, 2));
  masked("encoder_norm", TransformerEncoder(layer, 2, LayerNorm({6}, {.dtype = DType::f64})));
}

void activations() {
  check("LogSigmoid", LogSigmoid());
  check("Softsign", Softsign());
  check("Hardsigmoid", Hardsigmoid());
  check("Hardswish", Hardswish());
  check("Mish", Mish());
  check("SELU", SELU());
  check("ReLU6", ReLU6());
  check("Hardtanh", Hardtanh());
  check("CELU", CELU());
  check("Softplus", Softplus());
  check("LogSoftmax", LogSoftmax());
  check("GLU", GLU());
  check("Hardtanh_options", Hardtanh(-0.5, 3));
  check("CELU_options", CELU(0.7));
  check("Softplus_options", Softplus(2, 4));
  check("LogSoftmax_dim", LogSoftmax(0));
  check("GLU_dim", GLU(0));
  check("PReLU", PReLU(1, {.dtype = DType::f64}));
  check("PReLU_channels", PReLU(3, {.dtype = DType::f64}));
}

void norms() {
  check("rms_norm", RMSNorm({3, 4}, {.dtype = DType::f64}));
  check("rms_norm_options", RMSNorm({4}, {.eps = 1e-2, .elementwise_affine = false, .dtype = DType::f64}));
  check("instance_norm1d", InstanceNorm1d(3, {.dtype = DType::f64}));
  check("instance_norm2d", InstanceNorm2d(3, {.eps = 1e-3, .affine = true, .dtype = DType::f64}));
}

void images_and_sequences() {
  check("conv1d", Conv1d(3, 4, 3, {.dtype = DType::f64}));
  check("conv1d_options",
        Conv1d(4, 6, 3, {.stride = 2, .padding = 2, .dilation = 2, .groups = 2, .bias = false, .dtype = DType::f64}));
  check("adaptive_avg_pool2d", AdaptiveAvgPool2d({2, 3}));
  check("upsample", Upsample({2, 3}));
  check("pixel_shuffle", PixelShuffle(2));
  check("pixel_shuffle_leading", PixelShuffle(3));
}

void bilinear_and_embedding_bag() {
  Bilinear bilinear(3, 4, 2, {.dtype = DType::f64}), plain(3, 4, 2, {.bias = false, .dtype = DType::f64});
  check("bilinear", &bilinear, [&](Xs x) { return Tensors{bilinear(x[0], x[1])}; });
  check("bilinear_options", &plain, [&](Xs x) { return Tensors{plain(x[0], x[1])}; });
  check("embedding_bag", EmbeddingBag(6, 3, {.dtype = DType::f64}));
  check("embedding_bag_sum", EmbeddingBag(6, 3, {.mode = EmbeddingBagMode::sum, .dtype = DType::f64}));
}

TEST(GoldenModules, RecurrentLayersAgreeWithPyTorch) { recurrent_layers(); }
TEST(GoldenModules, RecurrentCellsAgreeWithPyTorch) { recurrent_cells(); }
TEST(GoldenModules, AttentionAgreesWithPyTorch) { attention(); }
TEST(GoldenModules, RotaryEmbeddingAgreesWithComplexNumbers) { rotary(); }
TEST(GoldenModules, MultiheadAttentionAgreesWithPyTorch) { multihead_attention(); }
TEST(GoldenModules, TransformersAgreeWithPyTorch) { transformers(); }
TEST(GoldenModules, ActivationsAgreeWithPyTorch) { activations(); }
TEST(GoldenModules, NormsAgreeWithPyTorch) { norms(); }
TEST(GoldenModules, ImagesAndSequencesAgreeWithPyTorch) { images_and_sequences(); }
TEST(GoldenModules, BilinearAndEmbeddingBagAgreeWithPyTorch) { bilinear_and_embedding_bag(); }

TEST(GoldenModules, EveryCaseOfTheFileIsTested) {
  for (const auto cases : {recurrent_layers, recurrent_cells, attention, rotary, multihead_attention, transformers,
                           activations, norms, images_and_sequences, bilinear_and_embedding_bag})
    cases();
  golden().expect_all_checked();
}

}  // namespace
}  // namespace hop::nn
