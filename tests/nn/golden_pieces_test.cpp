// The pieces of larger models against PyTorch, in f64: outputs, gradients of inputs and parameters, and the names of
// the parameters (golden/generate_pieces.py).
#include <string>
#include <utility>

#include "nn/layers.h"
#include "tests/nn/golden_module_cases.h"

namespace hop::nn {
namespace {

using testing::GoldenCases;
using testing::Tensors;
using testing::Xs;

GoldenCases& golden() {
  static GoldenCases cases("pieces.safetensors", [](const std::string&) { return 1e-10; });
  return cases;
}

template <class M>
void check(const std::string& name, M module) {
  golden().check(name, std::move(module));
}

void transposed_convolutions() {
  constexpr DType kF64 = DType::f64;
  check("conv_transpose2d", ConvTranspose2d(3, 4, 3, {.dtype = kF64}));
  check("conv_transpose2d_stride", ConvTranspose2d(2, 3, 4, {.stride = 2, .padding = 1, .dtype = kF64}));
  check("conv_transpose2d_options", ConvTranspose2d(4, 6, {3, 2},
                                                    {.stride = {2, 3},
                                                     .padding = {1, 0},
                                                     .output_padding = {1, 2},
                                                     .groups = 2,
                                                     .bias = false,
                                                     .dilation = {2, 1},
                                                     .dtype = kF64}));
  check("conv_transpose2d_one", ConvTranspose2d(1, 1, 1, {.stride = 3, .output_padding = 2, .dtype = kF64}));
  check("conv_transpose1d", ConvTranspose1d(3, 4, 3, {.dtype = kF64}));
  check(
      "conv_transpose1d_options",
      ConvTranspose1d(
          4, 6, 3,
          {.stride = 2, .padding = 2, .output_padding = 1, .groups = 2, .bias = false, .dilation = 2, .dtype = kF64}));
}

void padding_that_keeps_the_size() {
  check("conv2d_same", Conv2d(2, 3, 3, {.padding = kSame, .dtype = DType::f64}));
  check("conv2d_same_uneven",
        Conv2d(2, 4, {4, 3}, {.padding = kSame, .dilation = {1, 2}, .groups = 2, .dtype = DType::f64}));
  check("conv1d_same", Conv1d(2, 3, 5, {.padding = kSame, .dtype = DType::f64}));
  check("conv1d_same_uneven", Conv1d(2, 3, 2, {.padding = kSame, .dilation = 3, .dtype = DType::f64}));
}

void windows() {
  const UnfoldOptions options{.dilation = {2, 1}, .padding = {1, 2}, .stride = {1, 2}};
  check("unfold", Unfold(2));
  check("unfold_options", Unfold({2, 3}, options));
  check("fold", Fold({4, 3}, 2));
  check("fold_options", Fold({4, 5}, {2, 3}, options));
}

void norms() {
  check("local_response_norm", LocalResponseNorm(3));
  check("local_response_norm_options", LocalResponseNorm(4, {.alpha = 0.3, .beta = 0.5, .k = 2}));
}

void decoders() {
  constexpr DType kF64 = DType::f64;
  const TransformerDecoderLayer layer(6, 2, {.dim_feedforward = 8, .dropout = 0, .dtype = kF64});
  TransformerDecoderLayer plain = layer;
  golden().check("decoder_layer", &plain, [&](Xs x) { return Tensors{plain(x[0], x[1])}; });
  TransformerDecoderLayer masked(6, 2,
                                 {.dim_feedforward = 8,
                                  .dropout = 0,
                                  .activation = TransformerActivation::gelu,
                                  .layer_norm_eps = 1e-3,
                                  .batch_first = true,
                                  .norm_first = true,
                                  .dtype = kF64});
  golden().check("decoder_layer_options", &masked, [&](Xs x) {
    const AttentionMasks target{.key_padding_mask = x[2], .is_causal = true}, memory{.key_padding_mask = x[3]};
    return Tensors{masked(x[0], x[1], {target, memory})};
  });
  TransformerDecoder decoder(layer, 2, LayerNorm({6}, {.dtype = kF64}));
  golden().check("decoder", &decoder, [&](Xs x) { return Tensors{decoder(x[0], x[1])}; });
  Transformer transformer({.d_model = 6,
                           .nhead = 2,
                           .num_encoder_layers = 1,
                           .num_decoder_layers = 2,
                           .dim_feedforward = 8,
                           .dropout = 0,
                           .dtype = kF64});
  golden().check("transformer", &transformer, [&](Xs x) {
    const AttentionMasks padding{.key_padding_mask = x[2]}, causal{.is_causal = true};
    return Tensors{transformer(x[0], x[1], {padding, {causal, padding}})};
  });
}

TEST(GoldenPieces, TransposedConvolutionsAgreeWithPyTorch) { transposed_convolutions(); }
TEST(GoldenPieces, PaddingThatKeepsTheSizeAgreesWithPyTorch) { padding_that_keeps_the_size(); }
TEST(GoldenPieces, WindowsAgreeWithPyTorch) { windows(); }
TEST(GoldenPieces, NormsAgreeWithPyTorch) { norms(); }
TEST(GoldenPieces, DecodersAgreeWithPyTorch) { decoders(); }

TEST(GoldenPieces, EveryCaseOfTheFileIsTested) {
  for (const auto cases : {transposed_convolutions, padding_that_keeps_the_size, windows, norms, decoders}) cases();
  golden().expect_all_checked();
}

}  // namespace
}  // namespace hop::nn
