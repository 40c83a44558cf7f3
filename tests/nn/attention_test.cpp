// Attention and the Transformer's encoder: gradients, masks, names, initial values, errors. (golden_modules_test.cpp
// compares them with PyTorch, captured_layers_test.cpp captures them.)
#include "nn/layers/attention.h"

#include <cmath>

#include "autograd/gradcheck.h"
#include "autograd/graph.h"
#include "nn/functional.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using functional::scaled_dot_product_attention;
using ::testing::ElementsAre;
using Tensors = std::vector<Tensor>;

Tensor numbers(const Shape& shape, std::uint64_t key, DType dtype = DType::f32) {
  const Tensor x = Tensor::empty(shape, dtype);
  init::uniform_(x, {.key = key}, -1, 1);
  return x;
}

Tensor leaf(const Shape& shape, std::uint64_t key) { return numbers(shape, key, DType::f64).set_requires_grad(); }

void expect_slopes(const Tensors& inputs, const hop::testing::DifferentiableFunction& forward) {
  const auto once = hop::testing::gradcheck(forward, inputs);
  EXPECT_TRUE(once) << once.message;
  const auto twice = hop::testing::gradgradcheck(forward, inputs);
  EXPECT_TRUE(twice) << twice.message;
}

TEST(Attention, ItsGradientsAgreeWithTheSlope) {
  const Tensors qkv = {leaf({2, 3, 2}, 1), leaf({2, 4, 2}, 2), leaf({2, 4, 3}, 3)};
  expect_slopes(qkv, [](const Tensors& x) { return Tensors{scaled_dot_product_attention(x[0], x[1], x[2])}; });
  expect_slopes(qkv, [](const Tensors& x) {
    return Tensors{scaled_dot_product_attention(x[0], x[1], x[2], {.is_causal = true})};
  });
  const Tensor mask = Tensor::from<bool>({true, false, true, true, false, false, false, false, true, true, true, false},
                                         {3, 4});  // query 1 may see no key
  expect_slopes(qkv, [&](const Tensors& x) {
    return Tensors{scaled_dot_product_attention(x[0], x[1], x[2], {.attn_mask = mask})};
  });
  Tensors with_mask = qkv;
  with_mask.push_back(leaf({3, 4}, 4));
  expect_slopes(with_mask, [](const Tensors& x) {
    return Tensors{scaled_dot_product_attention(x[0], x[1], x[2], {.attn_mask = x[3], .scale = 0.5})};
  });
}

TEST(RotaryEmbedding, MakesProductsOfDistancesAlone) {
  const Tensor q = numbers({1, 6}, 1), k = numbers({1, 6}, 2);
  for (const bool interleaved : {true, false}) {
    const auto product = [&](std::int64_t of_q, std::int64_t of_k) {
      const Tensor a = functional::rotary_embedding(q, {.first = of_q, .interleaved = interleaved});
      const Tensor b = functional::rotary_embedding(k, {.first = of_k, .interleaved = interleaved});
      return sum(a * b).item<double>();
    };
    EXPECT_NEAR(product(9, 4), product(1005, 1000), 1e-5);
    EXPECT_GT(std::abs(product(9, 4) - product(9, 8)), 1e-3);
    EXPECT_NEAR(product(0, 0), sum(q * k).item<double>(), 1e-6);
  }
}

TEST(RotaryEmbedding, SaysWhatIsWrong) {
  EXPECT_EQ(message_of<ShapeError>([] {
              functional::rotary_embedding(zeros({2, 3}));
            }),
            "[rotary_embedding] expected (.., S, E) with an even E, got (2, 3)");
  EXPECT_THROW(functional::rotary_embedding(zeros({4})), ShapeError);
  EXPECT_THROW(functional::rotary_embedding(arange(4)), DtypeError);
  EXPECT_EQ(message_of<ConfigError>([] {
              functional::rotary_embedding(zeros({2, 4}), {.base = 0});
            }),
            "[rotary_embedding] expected a base above 0 and a first position of at least 0, got 0 and 0");
  EXPECT_THROW(functional::rotary_embedding(zeros({2, 4}), {.first = -1}), ConfigError);
}

TEST(MultiheadAttention, ItsGradientsAgreeWithTheSlope) {
  MultiheadAttention attention(4, 2, {.dtype = DType::f64});
  init_parameters(attention, 3);
  Tensors inputs = {leaf({3, 2, 4}, 1)};
  for (const Tensor& p : attention.parameters()) inputs.push_back(p);
  const Tensor padding = Tensor::from<bool>({false, false, true, false, false, false}, {2, 3});
  expect_slopes(inputs, [&](const Tensors& x) {
    return Tensors{attention(x[0], x[0], x[0], {.key_padding_mask = padding, .is_causal = true})};
  });
  inputs[0] = leaf({2, 2, 4}, 1);
  inputs.push_back(leaf({3, 2, 4}, 2));
  expect_slopes(inputs, [&](const Tensors& x) { return Tensors{attention(x[0], x.back(), x.back())}; });
}

TEST(Attention, AppliesTheDropoutOfItsCallerToTheWeights) {
  Shape seen;
  const auto forget = [&seen](const Tensor& weights) {
    seen = weights.shape();
    return weights * 0;
  };
  const Tensor q = numbers({2, 3, 4}, 1), k = numbers({2, 5, 4}, 2);
  const Tensor y = scaled_dot_product_attention(q, k, k, {.dropout = forget});
  EXPECT_EQ(seen, (Shape{2, 3, 5}));
  EXPECT_EQ(max(abs(y)).item<double>(), 0);
  Dropout dropout(0.5);
  dropout.eval();
  testing::expect_close(scaled_dot_product_attention(q, k, k, {.dropout = dropout}),
                        scaled_dot_product_attention(q, k, k), 1e-6, "without dropping anything");
}

// With and without a mask, so by the fused operation and by the composed form.
TEST(Attention, DropsTheSameWeightsFusedAndComposed) {
  const AttentionDropout drop{0.4, {.key = 3, .step = 1, .draw = 2}};
  const auto by_function = [&](const Tensor& weights) { return dropout(weights, drop.p, drop.address); };
  const Tensor all = kernels::ones({5, 7}, DType::boolean);
  for (const Shape& heads : {Shape{}, Shape{3}, Shape{2, 3}}) {
    const auto with = [&](std::int64_t rows) {
      Shape shape = heads;
      shape.push_back(rows);
      shape.push_back(4);
      return shape;
    };
    const Tensor q = numbers(with(5), 1), k = numbers(with(7), 2), v = numbers(with(7), 3);
    const Tensor expected = scaled_dot_product_attention(q, k, v, {.dropout = by_function});
    expect_close(scaled_dot_product_attention(q, k, v, {.drop = drop}), expected, 1e-6);
    expect_close(scaled_dot_product_attention(q, k, v, {.attn_mask = all, .drop = drop}), expected, 1e-6);
    expect_close(scaled_dot_product_attention(q, k, v, {.is_causal = true, .drop = drop}),
                 scaled_dot_product_attention(q, k, v, {.is_causal = true, .dropout = by_function}), 1e-6);
  }
  const Tensor q = numbers({2, 3, 4}, 1);
  EXPECT_THROW(scaled_dot_product_attention(q, q, q, {.drop = {.p = 1.5}}), ConfigError);
}

// A hook wants to see the weights, so the layer is called with them; it drops the same ones.
TEST(Attention, DropsByALayerThatHasHooksOrHasNone) {
  const Tensor q = numbers({2, 5, 4}, 1), k = numbers({2, 7, 4}, 2);
  const auto run = [&](Dropout& layer) {
    layer.set_random_key(9);
    AttentionOptions options;
    drop_weights(options, layer);
    return scaled_dot_product_attention(q, k, k, options);
  };
  Dropout plain(0.5), watched(0.5), off(0.5);
  Shape seen;
  watched.register_forward_hook([&](Module&, const Tensor& weights, const Tensor&) {
    seen = weights.shape();
    return Tensor();
  });
  const Tensor y = run(plain);
  expect_close(run(watched), y, 1e-6);
  EXPECT_EQ(seen, (Shape{2, 5, 7}));
  off.eval();
  expect_close(run(off), scaled_dot_product_attention(q, k, k), 0);
  EXPECT_NE(bits(y), bits(run(off)));
}

TEST(Attention, OfTheCausalKindReadsNoLaterKey) {
  const Tensor q = numbers({4, 2}, 1), k = numbers({4, 2}, 2), later = cat({slice(k, 0, 0, 2), numbers({2, 2}, 3)});
  const Tensor a = scaled_dot_product_attention(q, k, k, {.is_causal = true});
  const Tensor b = scaled_dot_product_attention(q, later, later, {.is_causal = true});
  EXPECT_EQ(bits(slice(a, 0, 0, 2)), bits(slice(b, 0, 0, 2)));
  EXPECT_NE(bits(slice(a, 0, 2)), bits(slice(b, 0, 2)));
  expect_close(slice(a, 0, 0, 1), slice(k, 0, 0, 1), 1e-6);
}

TEST(Attention, SaysWhatIsWrong) {
  const Tensor q = zeros({2, 3, 4}), k = zeros({2, 5, 4});
  EXPECT_EQ(message_of<ShapeError>([&] {
              scaled_dot_product_attention(q, zeros({2, 5, 3}), k);
            }),
            "[scaled_dot_product_attention] expected (.., L, E), (.., S, E) and (.., S, D), got (2, 3, 4), (2, 5, 3) "
            "and (2, 5, 4)");
  EXPECT_THROW(scaled_dot_product_attention(zeros({4}), k, k), ShapeError);
  const Tensor mask = zeros({3, 5}), bools = lt(mask, 1), integers = to(mask, DType::i64);
  EXPECT_EQ(
      message_of<ConfigError>([&] { scaled_dot_product_attention(q, k, k, {.attn_mask = bools, .is_causal = true}); }),
      "[scaled_dot_product_attention] expected is_causal or an attn_mask, got both");
  EXPECT_THROW(scaled_dot_product_attention(q, k, k, {.attn_mask = integers}), DtypeError);
  EXPECT_THROW(scaled_dot_product_attention(q, k, to(k, DType::f64)), DtypeError);
  EXPECT_THROW(scaled_dot_product_attention(q, k, {}), Error);
}

TEST(MultiheadAttention, SaysWhatIsWrong) {
  EXPECT_EQ(message_of<ConfigError>([] { MultiheadAttention(6, 4); }),
            "[MultiheadAttention] expected an embed_dim that num_heads divides, got 6 for 4 heads");
  EXPECT_THROW(MultiheadAttention(6, 0), ConfigError);
  EXPECT_THROW(MultiheadAttention(6, 2, {.dropout = -1}), ConfigError);
  MultiheadAttention attention(6, 2);
  const Tensor q = zeros({3, 2, 6}), k = zeros({5, 2, 6});
  EXPECT_EQ(message_of<ShapeError>([&] { attention(q, k, q); }),
            "[MultiheadAttention] expected (L, N, E), (S, N, E) and (S, N, E) with E = 6, got (3, 2, 6), (5, 2, 6) and "
            "(3, 2, 6)");
  EXPECT_THROW(attention(zeros({3, 5})), ShapeError);
  EXPECT_THROW(attention(zeros({6})), ShapeError);
  EXPECT_EQ(message_of<ShapeError>([&] {
              attention(q, k, k, {.attn_mask = zeros({5, 3})});
            }),
            "[MultiheadAttention] expected an attn_mask of shape (3, 5), got (5, 3)");
  EXPECT_THROW(attention(q, k, k, {.key_padding_mask = zeros({5, 2})}), ShapeError);
  EXPECT_THROW(attention(q, k, k, {.attn_mask = to(zeros({3, 5}), DType::i64)}), DtypeError);
}

TEST(MultiheadAttention, StartsAsInPyTorch) {
  MultiheadAttention attention(6, 2);
  init_parameters(attention, 1);
  EXPECT_THAT(names_of(attention.state_dict()),
              ElementsAre("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"));
  EXPECT_EQ(max(abs(attention.in_proj_bias)).item<double>(), 0);
  EXPECT_EQ(max(abs(attention.out_proj.bias)).item<double>(), 0);
  const double largest = max(abs(attention.in_proj_weight)).item<double>();
  EXPECT_LE(largest, 0.5);  // sqrt(6 / (6 + 18))
  EXPECT_GT(largest, 0.45);
}

TEST(MultiheadAttention, DropsWeightsWhileTraining) {
  MultiheadAttention attention(6, 2, {.dropout = 1});
  init_parameters(attention, 1);
  const Tensor x = numbers({3, 2, 6}, 2);
  EXPECT_THROW(attention(x), ConfigError);  // no random key
  attention.set_random_key(1);
  EXPECT_EQ(max(abs(attention(x))).item<double>(), 0);
  attention.eval();
  EXPECT_GT(max(abs(attention(x))).item<double>(), 0);
}

TEST(TransformerEncoder, HasTheNamesOfPyTorchInItsOrder) {
  TransformerEncoder encoder(TransformerEncoderLayer(6, 2, {.dim_feedforward = 8}), 2, LayerNorm({6}));
  std::vector<std::string> names = names_of(encoder.state_dict());
  ASSERT_EQ(names.size(), 26U);
  EXPECT_EQ(names[12], "layers.1.self_attn.in_proj_weight");
  names.erase(names.begin() + 12, names.begin() + 24);
  EXPECT_THAT(names, ElementsAre("layers.0.self_attn.in_proj_weight", "layers.0.self_attn.in_proj_bias",
                                 "layers.0.self_attn.out_proj.weight", "layers.0.self_attn.out_proj.bias",
                                 "layers.0.linear1.weight", "layers.0.linear1.bias", "layers.0.linear2.weight",
                                 "layers.0.linear2.bias", "layers.0.norm1.weight", "layers.0.norm1.bias",
                                 "layers.0.norm2.weight", "layers.0.norm2.bias", "norm.weight", "norm.bias"));
  EXPECT_THROW(TransformerEncoder(TransformerEncoderLayer(6, 2), 0), ConfigError);
}

TEST(TransformerEncoder, GivesEachLayerItsOwnParameters) {
  TransformerEncoderLayer layer(6, 2, {.dim_feedforward = 8, .dropout = 0});
  init_parameters(layer, 1);
  TransformerEncoder encoder(layer, 2);
  EXPECT_EQ(bits(encoder.layers[0].linear1.weight), bits(layer.linear1.weight));
  EXPECT_FALSE(encoder.layers[0].linear1.weight.is_same(layer.linear1.weight));
  init_parameters(encoder, 1);
  EXPECT_NE(bits(encoder.layers[0].linear1.weight), bits(encoder.layers[1].linear1.weight));
  const Tensor x = numbers({3, 2, 6}, 2);
  EXPECT_EQ(bits(encoder(x)), bits(encoder.layers[1](encoder.layers[0](x))));
}

TEST(TransformerEncoder, RunsTheModuleThatReplacedAPart) {
  TransformerEncoder encoder(TransformerEncoderLayer(6, 2, {.dim_feedforward = 8, .dropout = 0}), 2);
  init_parameters(encoder, 1);
  const Tensor x = numbers({3, 2, 6}, 2);
  encoder.replace_module("layers.1", Identity());
  EXPECT_EQ(bits(encoder(x)), bits(encoder.layers[0](x)));
  encoder.replace_module("layers.0.self_attn", Identity());
  EXPECT_THROW(encoder(x, {.is_causal = true}), StateError);  // a mask cannot reach another type
}

}  // namespace
}  // namespace hop::nn
