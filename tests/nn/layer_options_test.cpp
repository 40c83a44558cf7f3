// Long because it has a test for each option of many layers.
// The rarer options of upsampling, embeddings, norms and attention: beginnings, errors, empty sizes, 16 bits, text, and
// specs. (golden_layer_options_test.cpp compares them with PyTorch.)
#include <cmath>
#include <limits>

#include "autograd/graph.h"
#include "nn/clone.h"
#include "nn/functional.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/spec.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Tensor numbers(const Shape& shape, std::uint64_t key = 1) {
  const Tensor x = Tensor::empty(shape, DType::f32);
  init::uniform_(x, {.key = key}, -1, 1);
  return x;
}

Tensor ids(std::initializer_list<std::int64_t> values) {
  return Tensor::from<std::int64_t>(values, {static_cast<std::int64_t>(values.size())});
}

TEST(LayerOptions, MayBeGivenAlone) {
  const Tensor x = numbers({2, 3, 8, 8});
  EXPECT_EQ(bits(GELU(GeluApproximate::tanh)(x)), bits(GELU({.approximate = GeluApproximate::tanh})(x)));
  EXPECT_EQ(AdaptiveMaxPool2d({2, 3})(x).shape(), (Shape{2, 3, 2, 3}));
}

// ---- Upsample

TEST(Upsample, RepeatsByWholeFactorsWhicheverWayTheyAreWritten) {
  const Tensor x = numbers({2, 3, 4, 5});
  const Tensor repeated = repeat_interleave(repeat_interleave(x, 2, 2), 3, 3);
  EXPECT_EQ(bits(Upsample({2, 3})(x)), bits(repeated));
  EXPECT_EQ(bits(Upsample({.scale_factor = {2, 3}})(x)), bits(repeated));
  EXPECT_EQ(bits(Upsample(2)(x)), bits(UpsamplingNearest2d({.scale_factor = {2}})(x)));
  EXPECT_EQ(bits(Upsample({2, 3})(transpose(x, 2, 3))), bits(Upsample({2, 3})(contiguous(transpose(x, 2, 3)))));
  const Tensor whole = Upsample(2)(Tensor::from<std::int64_t>({0, 1, 2, 3}, {1, 1, 2, 2}));
  EXPECT_EQ(values(whole), (std::vector<double>{0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3}));
}

TEST(Upsample, SaysWhatIsWrong) {
  EXPECT_EQ(message_of<ConfigError>([] { Upsample(InterpolateOptions{}); }),
            "[Upsample] expected either size or scale_factor, got neither");
  EXPECT_EQ(message_of<ConfigError>([] { UpsamplingNearest2d({.size = {2}, .scale_factor = {2}}); }),
            "[Upsample] expected either size or scale_factor, got both");
  EXPECT_THROW(Upsample({.size = {2, 2}})(numbers({1, 1, 3})), ConfigError);
  EXPECT_THROW(Upsample({.scale_factor = {2, 2}})(numbers({1, 1, 3})), ConfigError);
  EXPECT_THROW(Upsample({.scale_factor = {2}})(numbers({3, 3})), ShapeError);
  EXPECT_THROW(Upsample({.scale_factor = {-1}})(numbers({1, 1, 3})), ConfigError);
  EXPECT_THROW(Upsample({.scale_factor = {std::nan("")}})(numbers({1, 1, 3})), ConfigError);
  EXPECT_THROW(Upsample({.scale_factor = {2}, .align_corners = true})(numbers({1, 1, 3})), ConfigError);
  EXPECT_THROW(Upsample(2)(numbers({1, 1, 3})), ShapeError);
  EXPECT_THROW(UpsamplingBilinear2d({.size = {2}})(numbers({1, 1, 3})), ShapeError);
}

TEST(Upsample, PrintsItsOptions) {
  EXPECT_EQ(Upsample(2).to_string(), "Upsample(scale_factor=(2, 2), mode='nearest')");
  EXPECT_EQ(Upsample({.scale_factor = {1.5}, .mode = InterpolateMode::bilinear}).to_string(),
            "Upsample(scale_factor=1.5, mode='bilinear')");
  EXPECT_EQ(UpsamplingBilinear2d({.size = {4, 5}}).to_string(), "UpsamplingBilinear2d(size=(4, 5), mode='bilinear')");
}

// ---- Embedding

TEST(Embedding, WithPaddingStartsWithZerosAndKeepsThem) {
  for (const std::int64_t padding : {1, -3}) {
    Embedding table(4, 2, {.padding_idx = padding});
    init_parameters(table, 1);
    EXPECT_EQ(values(slice(table.weight, 0, 1, 2)), (std::vector<double>{0, 0}));
    EXPECT_NE(min(abs(slice(table.weight, 0, 2, 4))).item<double>(), 0);
    backward(sum(table(ids({1, 0, 1, 0}))));
    EXPECT_EQ(values(table.weight.grad()), (std::vector<double>{2, 2, 0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(table.to_string(), "Embedding(4, 2, padding_idx=1)");
    EXPECT_EQ(clone(table).to_string(), table.to_string());
  }
  EmbeddingBag bag(4, 2, {.padding_idx = -1});
  init_parameters(bag, 1);
  EXPECT_EQ(values(slice(bag.weight, 0, 3, 4)), (std::vector<double>{0, 0}));
}

TEST(Embedding, WithPaddingTakesNoGradientThatIsNoNumber) {
  const Tensor weight = ones({3, 1}, {.requires_grad = true});
  const Tensor y = embedding(weight, ids({0, 2, 2}), 2);
  const Tensor gradient = grad({y}, {weight}, {.grad_outputs = {Tensor::from<float>({3, NAN, INFINITY}, {3, 1})}})[0];
  EXPECT_EQ(values(gradient), (std::vector<double>{3, 0, 0}));
}

TEST(Embedding, RefusesPaddingAndNormsOutOfRange) {
  for (const std::int64_t bad : {4, -5}) {
    EXPECT_THROW(Embedding(4, 2, {.padding_idx = bad}), ConfigError);
    EXPECT_THROW(EmbeddingBag(4, 2, {.padding_idx = bad}), ConfigError);
    EXPECT_THROW(embedding(ones({4, 2}), ids({0}), bad), ConfigError);
  }
  EXPECT_EQ(message_of<ConfigError>([] { Embedding(4, 2, {.padding_idx = 4}); }),
            "[Embedding] expected a padding_idx in -4..3, got 4");
  for (const double bad : {0.0, -1.0, std::nan("")}) {
    EXPECT_THROW(Embedding(4, 2, {.max_norm = bad}), ConfigError);
    EXPECT_THROW(EmbeddingBag(4, 2, {.max_norm = bad}), ConfigError);
    EXPECT_THROW(embedding_renorm_(ones({4, 2}), ids({0}), bad), ConfigError);
  }
}

TEST(Embedding, WithMaxNormShortensOnlyTheWordsThatItLooksUp) {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
    Embedding table(3, 2, {.max_norm = 5, .dtype = dtype});
    {
      const NoGradGuard no_grad;
      copy_(table.weight, Tensor::from<float>({6, 8, 3, 4, 30, 40}, {3, 2}));
    }
    const Tensor y = table(Tensor::from<float>({0, 1, 0}, {3}));
    const std::vector<double> got = values(table.weight), expected = {3, 4, 3, 4, 30, 40};
    const double tolerance = dtype == DType::f64 ? 1e-6 : dtype == DType::f32 ? 1e-5 : 0.03;
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], tolerance) << name(dtype);
    EXPECT_EQ(values(slice(y, 0, 0, 2)), values(slice(table.weight, 0, 0, 2)));
    EXPECT_THROW(table(ids({3})), IndexError);
  }
  const Tensor weight = ones({2, 2}, {.requires_grad = true});
  const Tensor before = sum(square(weight));
  embedding_renorm_(weight, ids({1}), 0.5);
  EXPECT_THROW(backward(before), AutogradError);
  EXPECT_EQ(values(embedding_renorm_(ones({2, 2}), Tensor::empty({0}, DType::i64), 0.5)),
            (std::vector<double>{1, 1, 1, 1}));
}

// ---- EmbeddingBag

TEST(EmbeddingBag, TakesOffsets) {
  EmbeddingBag bag(4, 1, {.mode = EmbeddingBagMode::sum});
  init_parameters(bag, 1);
  {
    const NoGradGuard no_grad;
    copy_(bag.weight, Tensor::from<float>({1, 10, 100, 1000}, {4, 1}));
  }
  const Tensor words = ids({0, 1, 2, 3, 3});
  EXPECT_EQ(values(bag(words, ids({0, 0, 2, 5}))), (std::vector<double>{0, 11, 2100, 0}));
  EXPECT_EQ(values(bag(to(words, DType::f32), ids({0}))), (std::vector<double>{2111}));
  EXPECT_EQ(values(bag(words, ids({0, 3}), Tensor::from<float>({1, 2, 3, 0, -1}, {5}))),
            (std::vector<double>{321, -1000}));
  EXPECT_EQ(bag.to_string(), "EmbeddingBag(4, 1, mode='sum')");
  EXPECT_EQ(EmbeddingBag(4, 1, {.mode = EmbeddingBagMode::max, .padding_idx = 1}).to_string(),
            "EmbeddingBag(4, 1, padding_idx=1, mode='max')");
}

TEST(EmbeddingBag, TakesNoIndicesAndNoBags) {
  using enum EmbeddingBagMode;
  const Tensor none = Tensor::empty({0}, DType::i64), rows = Tensor::empty({3, 0}, DType::i64);
  for (const EmbeddingBagMode mode : {sum, mean, max}) {
    const Tensor weight = ones({4, 2}, {.requires_grad = true});
    const Tensor y = embedding_bag(weight, none, {.offsets = ids({0, 0}), .mode = mode});
    EXPECT_EQ(values(y), (std::vector<double>{0, 0, 0, 0}));
    backward(hop::sum(y));
    EXPECT_EQ(values(weight.grad()), std::vector<double>(8, 0));
    EXPECT_EQ(embedding_bag(weight, none, {.offsets = none, .mode = mode}).shape(), (Shape{0, 2}));
    EXPECT_EQ(embedding_bag(weight, none, {.offsets = ids({0}), .mode = mode, .include_last_offset = true}).shape(),
              (Shape{0, 2}));
    EXPECT_EQ(values(embedding_bag(weight, rows, {.mode = mode})), std::vector<double>(6, 0));
    EXPECT_EQ(values(embedding_bag(weight, rows, {.mode = mode, .padding_idx = 0})), std::vector<double>(6, 0));
    EXPECT_EQ(values(embedding_bag(weight, ids({1, 2, 3}),
                                   {.offsets = ids({0, 2}), .mode = mode, .include_last_offset = true})),
              (mode == sum ? std::vector<double>{2, 2} : std::vector<double>{1, 1}));
  }
}

TEST(EmbeddingBag, SaysWhatIsWrong) {
  const Tensor weight = ones({4, 2}), words = ids({0, 1, 2}), rows = reshape(words, {1, 3});
  const auto bag = [&](const Tensor& indices, const EmbeddingBagArguments& a) { embedding_bag(weight, indices, a); };
  EXPECT_THROW(bag(words, {.offsets = ids({1, 2})}), IndexError);     // the first index lies in no bag
  EXPECT_THROW(bag(words, {.offsets = ids({0, 2, 1})}), IndexError);  // descends
  EXPECT_THROW(bag(words, {.offsets = ids({0, 4})}), IndexError);     // behind the indices
  EXPECT_THROW(bag(words, {.offsets = ids({0, -1})}), IndexError);
  EXPECT_THROW(bag(ids({0, 4}), {.offsets = ids({0})}), IndexError);
  EXPECT_THROW(bag(words, {}), ShapeError);
  EXPECT_THROW(bag(rows, {.offsets = ids({0})}), ShapeError);
  EXPECT_THROW(bag(words, {.offsets = reshape(ids({0}), {1, 1})}), ShapeError);
  EXPECT_THROW(bag(words, {.offsets = Tensor::empty({0}, DType::i64), .include_last_offset = true}), ShapeError);
  EXPECT_THROW(bag(words, {.offsets = ones({1})}), DtypeError);
  EXPECT_THROW(bag(rows, {.include_last_offset = true}), ConfigError);
  EXPECT_THROW(bag(rows, {.padding_idx = 4}), ConfigError);
  EXPECT_EQ(message_of<ConfigError>([&] {
              bag(rows, {.per_sample_weights = ones({1, 3})});
            }),
            "[embedding_bag] expected per_sample_weights in the mode sum, got the mode mean");
  const auto sum = EmbeddingBagMode::sum;
  EXPECT_THROW(bag(rows, {.mode = sum, .per_sample_weights = ones({3})}), ShapeError);
  EXPECT_THROW(bag(rows, {.mode = sum, .per_sample_weights = to(ones({1, 3}), DType::f64)}), DtypeError);
  EXPECT_EQ(message_of<ShapeError>([&] { EmbeddingBag(4, 2)(words); }),
            "[EmbeddingBag] expected (N, L), or (M) and offsets, got (3) without offsets");
}

TEST(EmbeddingBag, SumsOf16BitsAreRoundedOnce) {
  for (const DType dtype : {DType::bf16, DType::f16}) {
    const Tensor weight = to(numbers({6, 3}), dtype), words = ids({5, 0, 3, 2, 2, 1, 4}), offsets = ids({0, 1, 5, 5});
    const Tensor factors = to(numbers({7}, 2), dtype);
    const auto expect_rounded = [&](const EmbeddingBagArguments& a) {
      EmbeddingBagArguments wide = a;
      if (a.per_sample_weights.defined()) wide.per_sample_weights = to(a.per_sample_weights, DType::f32);
      const Tensor y = embedding_bag(weight, words, a), of_f32 = embedding_bag(to(weight, DType::f32), words, wide);
      EXPECT_EQ(bits(y), bits(to(of_f32, dtype))) << name(dtype);
    };
    for (const auto mode : {EmbeddingBagMode::sum, EmbeddingBagMode::mean, EmbeddingBagMode::max})
      expect_rounded({.offsets = offsets, .mode = mode, .padding_idx = 2});
    expect_rounded({.offsets = offsets, .mode = EmbeddingBagMode::sum, .per_sample_weights = factors});
  }
}

// ---- norms

TEST(BatchNorm, WithoutMomentumKeepsTheMeanOfAllBatches) {
  BatchNorm1d norm(1, {.momentum = std::nullopt});
  init_parameters(norm, 1);
  const std::vector<std::vector<float>> batches = {{1, 3}, {4, 10}, {-2, 0}};
  for (const std::vector<float>& batch : batches) norm(Tensor::from<float>(batch, {2, 1}));
  EXPECT_NEAR(norm.running_mean.item<double>(), (2 + 7 - 1) / 3.0, 1e-6);
  EXPECT_NEAR(norm.running_var.item<double>(), (2 + 18 + 2) / 3.0, 1e-5);
  EXPECT_EQ(norm.to_string(), "BatchNorm1d(1, eps=1e-05, momentum=None, affine=True, track_running_stats=True)");
  norm.reset_running_stats();
  norm(Tensor::from<float>({5, 7}, {2, 1}));
  EXPECT_EQ(norm.running_mean.item<double>(), 6);
}

TEST(Norms, WithoutBiasHaveOneParameter) {
  const auto expect_weight = [](Module&& norm) {
    init_parameters(norm, 1);
    EXPECT_EQ(names_of(norm.named_parameters()), (std::vector<std::string>{"weight"})) << norm.type_name();
    EXPECT_THAT(norm.to_string(), HasSubstr("bias=False"));
  };
  expect_weight(BatchNorm1d(2, {.bias = false}));
  expect_weight(LayerNorm({2}, {.bias = false}));
  expect_weight(GroupNorm(1, 2, {.bias = false}));
  expect_weight(InstanceNorm2d(2, {.affine = true, .bias = false}));
  LayerNorm plain({2}, {.elementwise_affine = false, .bias = true});
  EXPECT_TRUE(plain.parameters().empty());
  EXPECT_EQ(plain.to_string(), "LayerNorm((2), eps=1e-05, elementwise_affine=False)");
}

TEST(InstanceNorm, TracksStatisticsOnlyWhileTraining) {
  InstanceNorm1d norm(2, {.track_running_stats = true});
  init_parameters(norm, 1);
  EXPECT_THAT(names_of(norm.state_dict()), ElementsAre("running_mean", "running_var", "num_batches_tracked"));
  const Tensor x = numbers({3, 2, 4});
  norm.eval();
  EXPECT_LT(max(abs(norm(x) - x)).item<double>(), 1e-4);  // mean 0, variance 1
  EXPECT_EQ(norm(numbers({2, 1})).shape(), (Shape{2, 1}));
  EXPECT_EQ(values(norm.running_mean), (std::vector<double>{0, 0}));
  norm.train();
  norm(x);
  EXPECT_NE(values(norm.running_mean), (std::vector<double>{0, 0}));
  EXPECT_EQ(norm.num_batches_tracked.item<std::int64_t>(), 0);
  const std::vector<double> before = values(norm.running_var);
  norm(Tensor::empty({0, 2, 4}, DType::f32));
  EXPECT_EQ(values(norm.running_var), before);
  EXPECT_THROW(norm(numbers({2, 2, 1})), ShapeError);
  EXPECT_THROW(InstanceNorm1d(2, {.momentum = 1.5}), ConfigError);
  EXPECT_EQ(message_of<ShapeError>([&] {
              norm(numbers({3, 4}));
            }),
            "[InstanceNorm1d] expected (N, C, L) or (C, L) with 2 channels, got (3, 4)");
}

TEST(BatchNorm, AsAFunctionTakesAnyNumberOfPlaces) {
  const Tensor x = numbers({2, 3, 2, 2, 2, 2});
  const BatchNormResult y = batch_norm(x, {}, {}, 1e-5, {.residual = x, .relu = true});
  EXPECT_LT(max(abs(y.y - relu(batch_norm(x).y + x))).item<double>(), 1e-6);
  EXPECT_EQ(y.mean.shape(), (Shape{3}));
  EXPECT_EQ(batch_norm_eval(Tensor::empty({0, 3, 4}, DType::f32), ones({3}), ones({3})).shape(), (Shape{0, 3, 4}));
  EXPECT_THROW(batch_norm(numbers({3})), ShapeError);
  EXPECT_THROW(batch_norm(x, {}, {}, 1e-5, {.residual = numbers({2, 3})}), ShapeError);
}

// ---- attention

TEST(MultiheadAttention, GivesWeightsThatSumToOne) {
  MultiheadAttention attention(4, 2, {.add_bias_kv = true});
  init_parameters(attention, 1);
  const Tensor q = numbers({3, 2, 4}), k = numbers({5, 2, 4}, 2);
  const AttentionResult y = attention.with_weights(q, k, k);
  EXPECT_EQ(y.weights.shape(), (Shape{2, 3, 6}));
  EXPECT_LT(max(abs(sum(y.weights, {-1}) - 1)).item<double>(), 1e-6);
  const Tensor plain = attention(q, k, k);
  EXPECT_LT(max(abs(plain - y.output)).item<double>(), 1e-6);
  EXPECT_EQ(attention.with_weights(q, k, k, {}, false).weights.shape(), (Shape{2, 2, 3, 6}));
  EXPECT_EQ(attention.with_weights(select(q, 1, 0), select(k, 1, 0), select(k, 1, 0), {}, false).weights.shape(),
            (Shape{2, 3, 6}));
}

TEST(MultiheadAttention, LetsEveryQuerySeeTheAddedKeysOnly) {
  MultiheadAttention attention(4, 2, {.add_zero_attn = true});
  init_parameters(attention, 1);
  const Tensor x = numbers({3, 1, 4});
  const Tensor all = kernels::ones({1, 3}, DType::boolean);
  EXPECT_LT(max(abs(attention(x, x, x, {.key_padding_mask = all}))).item<double>(), 1e-6);  // out_proj.bias is 0
  const Tensor causal = attention.with_weights(x, x, x, {.is_causal = true}).weights;
  EXPECT_EQ(select(select(select(causal, 2, 1), 1, 0), 0, 0).item<double>(), 0);
  EXPECT_GT(select(select(select(causal, 2, 3), 1, 0), 0, 0).item<double>(), 0);
}

TEST(MultiheadAttention, NamesItsParametersAsInPyTorch) {
  MultiheadAttention attention(4, 2, {.add_bias_kv = true, .kdim = 3, .vdim = 5});
  init_parameters(attention, 1);
  EXPECT_THAT(names_of(attention.state_dict()),
              ElementsAre("q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_bias", "bias_k", "bias_v",
                          "out_proj.weight", "out_proj.bias"));
  for (const Tensor& p : attention.parameters()) EXPECT_FALSE(std::isnan(sum(p).item<double>()));
  EXPECT_LE(max(abs(attention.k_proj_weight)).item<double>(), std::sqrt(6.0 / 7));
  EXPECT_FALSE(attention.in_proj_weight.defined());
}

TEST(MultiheadAttention, SaysWhichWidthsItExpects) {
  MultiheadAttention attention(4, 2, {.kdim = 3});
  init_parameters(attention, 1);
  EXPECT_EQ(message_of<ShapeError>([&] {
              attention(numbers({3, 2, 4}));
            }),
            "[MultiheadAttention] expected (L, N, E), (S, N, kdim) and (S, N, vdim) with E = 4, kdim = 3 and vdim = 4, "
            "got (3, 2, 4), (3, 2, 4) and (3, 2, 4)");
  EXPECT_EQ(message_of<ShapeError>([&] {
              MultiheadAttention(4, 2)(numbers({3, 5}));
            }),
            "[MultiheadAttention] expected (L, E), (S, E) and (S, E) with E = 4, got (3, 5), (3, 5) and (3, 5)");
  EXPECT_THROW(attention(numbers({3, 2, 4}), numbers({3, 3}), numbers({3, 4})), ShapeError);
  EXPECT_THROW(attention(numbers({3, 4}), numbers({2, 3}), numbers({2, 4}),
                         {.key_padding_mask = kernels::ones({1, 2}, DType::boolean)}),
               ShapeError);
  EXPECT_THROW(MultiheadAttention(4, 2, {.kdim = 0}), ConfigError);
  EXPECT_THROW(functional::scaled_dot_product_attention(numbers({3, 2, 4}), numbers({2, 2, 4}), numbers({2, 2, 4}),
                                                        {.enable_gqa = true}),
               ShapeError);
  EXPECT_THROW(
      functional::scaled_dot_product_attention(numbers({2, 4}), numbers({2, 4}), numbers({2, 4}), {.enable_gqa = true}),
      ShapeError);
}

TEST(TransformerLayer, TakesAnyActivationAndNoBias) {
  TransformerEncoderLayer layer(
      4, 2, {.dim_feedforward = 6, .dropout = 0, .activation = [](const Tensor& x) { return tanh(x); }, .bias = false});
  init_parameters(layer, 1);
  EXPECT_THAT(names_of(layer.state_dict()),
              ElementsAre("self_attn.in_proj_weight", "self_attn.out_proj.weight", "linear1.weight", "linear2.weight",
                          "norm1.weight", "norm2.weight"));
  const Tensor x = numbers({3, 4}), h = layer.norm1(x + layer.self_attn(x));
  const Tensor y = layer.norm2(h + layer.linear2(tanh(layer.linear1(h))));
  EXPECT_EQ(bits(layer(x)), bits(y));
  TransformerEncoder two(layer, 2);
  init_parameters(two, 1);
  EXPECT_EQ(two(x).shape(), x.shape());
}

// ---- specs

TEST(SpecOptions, OfNormsAndEmbeddings) {
  const std::vector<std::string> layers = {"embedding 9 4 padding_idx=-1", "flatten",
                                           "batchnorm1d momentum=none bias=false", "layernorm bias=false",
                                           "groupnorm 2 bias=false"};
  const auto spec = parse_spec(layers);
  Sequential model = build_spec(spec, {3});
  init_parameters(model, 1);
  EXPECT_THAT(model.to_string(), HasSubstr("Embedding(9, 4, padding_idx=8)"));
  EXPECT_THAT(model.to_string(), HasSubstr("momentum=None, affine=True, bias=False"));
  EXPECT_EQ(model.parameter_count(), 36 + 3 * 12);
  EXPECT_EQ(model(kernels::zeros({2, 3}, DType::i64)).shape(), (Shape{2, 12}));
  EXPECT_THAT(message_of<ConfigError>(
                  [] { plan_spec(parse_spec(std::vector<std::string>{"embedding 9 4 padding_idx=9"}), {3}); }),
              HasSubstr("expected a padding_idx in -9..8, got 9"));
  EXPECT_THAT(message_of<ConfigError>([] { parse_spec(std::vector<std::string>{"batchnorm1d momentum=no"}); }),
              HasSubstr("momentum expects none, or a number of at least 0"));
  EXPECT_THROW(parse_spec(std::vector<std::string>{"batchnorm1d eps=none"}), ConfigError);
}

TEST(TransformerActivation, TakesAFunctionByItsNameAndNoEmptyOne) {
  const Tensor x = Tensor::from<float>({-1, 2}, {2});
  EXPECT_EQ(bits(TransformerActivation(hop::gelu)(x)), bits(gelu(x)));
  EXPECT_EQ(bits(TransformerActivation(hop::silu)(x)), bits(silu(x)));
  EXPECT_EQ(message_of<ConfigError>([] { TransformerActivation{TransformerActivation::Function()}; }),
            "[TransformerActivation] expected a function, got an empty one");
}

}  // namespace
}  // namespace hop::nn
