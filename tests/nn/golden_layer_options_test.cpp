// The rarer options of upsampling, embeddings, norms and attention against PyTorch, in f64: outputs, gradients of
// inputs and parameters, and the names of the parameters (golden/generate_layer_options.py).
#include <array>
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

constexpr DType kF64 = DType::f64;

GoldenCases& golden() {
  static GoldenCases cases("layer_options.safetensors", [](const std::string&) { return 1e-10; });
  return cases;
}

template <class M>
void check(const std::string& name, M module) {
  golden().check(name, std::move(module));
}
template <class M, class F>
void check(const std::string& name, M module, const F& f) {
  golden().check(name, &module, [&](Xs x) { return f(module, x); });
}
void check_function(const std::string& name, const std::function<Tensor(Xs)>& f) {
  golden().check(name, nullptr, [&](Xs x) { return Tensors{f(x)}; });
}

void upsampling() {
  using enum InterpolateMode;
  check("upsample_size", Upsample({.size = {5, 2}}));
  check("upsample_one_size", Upsample({.size = {7}}));
  check("upsample_line", Upsample({.scale_factor = {3}}));
  check("upsample_volume", Upsample({.scale_factor = {2, 1, 3}}));
  check("upsample_fraction", Upsample({.scale_factor = {1.7}}));
  check("upsample_linear", Upsample({.size = {8}, .mode = linear}));
  check("upsample_linear_corners", Upsample({.scale_factor = {2}, .mode = linear, .align_corners = true}));
  check("upsample_bilinear", Upsample({.scale_factor = {1.5, 2}, .mode = bilinear}));
  check("upsample_recomputed", Upsample({.scale_factor = {1.7}, .mode = bilinear, .recompute_scale_factor = true}));
  check("upsample_bicubic", Upsample({.scale_factor = {2}, .mode = bicubic}));
  check("upsample_trilinear", Upsample({.size = {4, 4, 2}, .mode = trilinear, .align_corners = true}));
  check("upsampling_nearest", UpsamplingNearest2d({.scale_factor = {2}}));
  check("upsampling_nearest_size", UpsamplingNearest2d({.size = {3, 7}}));
  check("upsampling_bilinear", UpsamplingBilinear2d({.scale_factor = {2}}));
  check("upsampling_bilinear_size", UpsamplingBilinear2d({.size = {5}}));
}

void embeddings() {
  const auto looked_up = [](auto& m, Xs x) { return Tensors{m(x[0]), m.weight * 1}; };
  check("embedding_padding", Embedding(6, 3, {.padding_idx = 2, .dtype = kF64}));
  check("embedding_padding_last", Embedding(6, 3, {.padding_idx = -1, .dtype = kF64}));
  check("embedding_max_norm", Embedding(6, 3, {.max_norm = 0.6, .dtype = kF64}), looked_up);
  check("embedding_max_norm_type", Embedding(6, 3, {.padding_idx = 0, .max_norm = 0.9, .norm_type = 1, .dtype = kF64}),
        looked_up);
  check("embedding_by_frequency", Embedding(6, 3, {.padding_idx = 2, .scale_grad_by_freq = true, .dtype = kF64}));
  check_function("functional_embedding", [](Xs x) { return functional::embedding(x[0], x[1], -4); });
}

void bags() {
  using enum EmbeddingBagMode;
  const auto with_offsets = [](EmbeddingBag& m, Xs x) { return Tensors{m(x[0], x[1])}; };
  const auto weighted = [](EmbeddingBag& m, Xs x) { return Tensors{m(x[0], x[1], x[2])}; };
  for (const auto& [mode, word] : {std::pair{sum, "sum"}, std::pair{mean, "mean"}, std::pair{max, "max"}}) {
    const std::string name = std::string("bag_") + word;
    check(name + "_offsets", EmbeddingBag(6, 3, {.mode = mode, .dtype = kF64}), with_offsets);
    check(name + "_last", EmbeddingBag(6, 3, {.mode = mode, .include_last_offset = true, .dtype = kF64}), with_offsets);
    check(name + "_padding", EmbeddingBag(6, 3, {.mode = mode, .padding_idx = 2, .dtype = kF64}), with_offsets);
    check(name + "_rows_padding", EmbeddingBag(6, 3, {.mode = mode, .padding_idx = 2, .dtype = kF64}));
    check(name + "_of_padding", EmbeddingBag(6, 3, {.mode = mode, .padding_idx = -4, .dtype = kF64}));
  }
  check("bag_max_rows", EmbeddingBag(6, 3, {.mode = max, .dtype = kF64}));
  check("bag_max_norm", EmbeddingBag(6, 3, {.max_norm = 0.5, .dtype = kF64}), [](EmbeddingBag& m, Xs x) {
    return Tensors{m(x[0], x[1]), m.weight * 1};
  });
  check("bag_weights", EmbeddingBag(6, 3, {.mode = sum, .dtype = kF64}), weighted);
  check("bag_weights_padding", EmbeddingBag(6, 3, {.mode = sum, .padding_idx = 5, .dtype = kF64}), weighted);
  check_function("bag_weights_rows",
                 [](Xs x) { return functional::embedding_bag(x[0], x[1], {.mode = sum, .per_sample_weights = x[2]}); });
}

/// Trains on the first batch, then on the second one, and evaluates the first.
template <class M>
void check_trained(const std::string& name, M module) {
  check(name, std::move(module), [](M& m, Xs x) {
    m.train();
    const Tensor first = m(x[0]), second = m(x[1]);
    m.eval();
    return Tensors{first, second, m(x[0])};
  });
}

void norms() {
  check_trained("batch_norm_cumulative", BatchNorm1d(3, {.momentum = std::nullopt, .dtype = kF64}));
  check_trained("batch_norm_without_bias", BatchNorm2d(2, {.bias = false, .dtype = kF64}));
  check_trained("instance_norm_tracking",
                InstanceNorm1d(3, {.affine = true, .track_running_stats = true, .dtype = kF64}));
  check_trained("instance_norm_volume_tracking",
                InstanceNorm3d(2, {.momentum = 0.4, .track_running_stats = true, .dtype = kF64}));
  check_trained("instance_norm_still",
                InstanceNorm2d(2, {.momentum = std::nullopt, .track_running_stats = true, .dtype = kF64}));
  check("instance_norm_single", InstanceNorm1d(3, {.affine = true, .bias = false, .dtype = kF64}));
  check("instance_norm_single_image", InstanceNorm2d(3, {.dtype = kF64}));
  check("instance_norm_single_volume", InstanceNorm3d(2, {.affine = true, .dtype = kF64}));
  check("layer_norm_without_bias", LayerNorm({2, 4}, {.bias = false, .dtype = kF64}));
  check("group_norm_without_bias", GroupNorm(2, 4, {.bias = false, .dtype = kF64}));
  const Tensor mean = Tensor::from<double>({0.3, -0.2, 0.1}, {3}), var = Tensor::from<double>({0.5, 1.5, 2.0}, {3});
  for (const std::string shape : {"line", "volume", "six"}) {
    check_function("batch_norm_" + shape, [](Xs x) { return batch_norm(x[0], x[1], x[2]).y; });
    check_function("batch_norm_eval_" + shape, [&](Xs x) { return batch_norm_eval(x[0], mean, var, x[1], x[2]); });
  }
}

void attentions() {
  using Attention = MultiheadAttention;
  const auto weights = [](const AttentionResult& y) { return Tensors{y.output, y.weights}; };
  check("attention_weights", Attention(6, 2, {.dtype = kF64}),
        [&](Attention& m, Xs x) { return weights(m.with_weights(x[0], x[1], x[2])); });
  check("attention_weights_each", Attention(6, 2, {.dtype = kF64}), [&](Attention& m, Xs x) {
    return weights(m.with_weights(x[0], x[1], x[2], {.key_padding_mask = x[3]}, false));
  });
  check("attention_widths", Attention(6, 2, {.kdim = 3, .vdim = 5, .dtype = kF64}),
        [&](Attention& m, Xs x) { return weights(m.with_weights(x[0], x[1], x[2])); });
  check("attention_widths_batch_first", Attention(6, 3, {.bias = false, .kdim = 3, .batch_first = true, .dtype = kF64}),
        [&](Attention& m, Xs x) { return weights(m.with_weights(x[0], x[1], x[2])); });
  check("attention_bias_kv", Attention(6, 2, {.add_bias_kv = true, .dtype = kF64}),
        [&](Attention& m, Xs x) { return weights(m.with_weights(x[0], x[1], x[2], {.attn_mask = x[3]})); });
  check("attention_zero", Attention(6, 2, {.add_zero_attn = true, .batch_first = true, .dtype = kF64}),
        [&](Attention& m, Xs x) { return weights(m.with_weights(x[0], x[1], x[2], {.key_padding_mask = x[3]})); });
  check("attention_added", Attention(6, 2, {.add_bias_kv = true, .add_zero_attn = true, .dtype = kF64}),
        [&](Attention& m, Xs x) { return Tensors{m(x[0], x[1], x[2], {.attn_mask = x[3]})}; });
  check("attention_single", Attention(6, 2, {.dtype = kF64}),
        [&](Attention& m, Xs x) { return weights(m.with_weights(x[0], x[1], x[2], {.key_padding_mask = x[3]})); });
  check("attention_single_self", Attention(6, 2, {.batch_first = true, .dtype = kF64}),
        [&](Attention& m, Xs x) { return weights(m.with_weights(x[0], x[0], x[0], {.attn_mask = x[1]}, false)); });
  check_function("attention_grouped", [](Xs x) {
    return functional::scaled_dot_product_attention(x[0], x[1], x[2], {.is_causal = true, .enable_gqa = true});
  });
  check_function("attention_grouped_once",
                 [](Xs x) { return functional::scaled_dot_product_attention(x[0], x[1], x[2], {.enable_gqa = true}); });
}

void transformers() {
  const auto layer = [] { return TransformerEncoderLayerOptions{.dim_feedforward = 8, .dropout = 0, .dtype = kF64}; };
  const auto decode = [](TransformerDecoderLayer& m, Xs x) { return Tensors{m(x[0], x[1])}; };
  TransformerEncoderLayerOptions plain = layer(), without = layer(), first = layer(), batches = layer();
  without.bias = false;
  check("encoder_layer_without_bias", TransformerEncoderLayer(6, 2, without));
  first.activation = [](const Tensor& x) { return silu(x); };
  first.norm_first = true;
  check("encoder_layer_silu", TransformerEncoderLayer(6, 2, first));
  batches.batch_first = true;
  check("encoder_layer_single", TransformerEncoderLayer(6, 2, batches),
        [](TransformerEncoderLayer& m, Xs x) { return Tensors{m(x[0], {.key_padding_mask = x[1]})}; });
  without.activation = SiLU();
  check("decoder_layer_without_bias", TransformerDecoderLayer(6, 2, without), decode);
  check("decoder_layer_single", TransformerDecoderLayer(6, 2, plain), decode);
}

TEST(GoldenLayerOptions, UpsamplingAgreesWithPyTorch) { upsampling(); }
TEST(GoldenLayerOptions, EmbeddingsAgreeWithPyTorch) { embeddings(); }
TEST(GoldenLayerOptions, BagsAgreeWithPyTorch) { bags(); }
TEST(GoldenLayerOptions, NormsAgreeWithPyTorch) { norms(); }
TEST(GoldenLayerOptions, AttentionAgreesWithPyTorch) { attentions(); }
TEST(GoldenLayerOptions, TransformersAgreeWithPyTorch) { transformers(); }

TEST(GoldenLayerOptions, EveryCaseOfTheFileIsTested) {
  for (const auto cases : {upsampling, embeddings, bags, norms, attentions, transformers}) cases();
  golden().expect_all_checked();
}

}  // namespace
}  // namespace hop::nn
