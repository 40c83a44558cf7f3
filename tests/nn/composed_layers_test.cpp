// Containers, dropouts, and the layers that are composed of operations: behaviour, clones, text, errors.
// (golden_modules_test.cpp compares them with PyTorch.)
#include <cmath>
#include <set>

#include "autograd/graph.h"
#include "nn/clone.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::ElementsAre;

Tensor numbers(const Shape& shape, std::uint64_t key) {
  const Tensor x = Tensor::empty(shape, DType::f32);
  init::uniform_(x, {.key = key}, -1, 1);
  return x;
}

TEST(ModuleList, HoldsModulesByIndex) {
  ModuleList list(Linear(2, 3), Tanh());
  list.push_back(Linear(3, 1));
  init_parameters(list, 1);
  EXPECT_THAT(names_of(list.state_dict()), ElementsAre("0.weight", "0.bias", "2.weight", "2.bias"));
  Tensor y = ones({1, 2});
  for (std::size_t i = 0; i < list.size(); ++i) y = list[i](y);
  EXPECT_EQ(y.shape(), (Shape{1, 1}));
  EXPECT_EQ(message_of<IndexError>([&] { list[3]; }), "[ModuleList] expected an index below 3, got 3");
  EXPECT_EQ(message_of<Error>([&] { list(y); }), "[ModuleList] expected forward(x) to be defined by the module");
  const ModuleList handle = list;  // a copy is the same list
  list.push_back(ReLU());
  EXPECT_EQ(handle.size(), 4U);
}

TEST(ModuleDict, HoldsModulesByName) {
  ModuleDict dict;
  dict.insert("relu", ReLU());
  dict.insert("fc", Linear(2, 1));
  init_parameters(dict, 1);
  EXPECT_THAT(dict.keys(), ElementsAre("relu", "fc"));
  EXPECT_THAT(names_of(dict.state_dict()), ElementsAre("fc.weight", "fc.bias"));
  EXPECT_TRUE(dict.contains("fc"));
  EXPECT_FALSE(dict.contains("gelu"));
  EXPECT_EQ(dict["fc"](ones({3, 2})).shape(), (Shape{3, 1}));
  EXPECT_EQ(message_of<IndexError>([&] { dict["gelu"]; }), "[ModuleDict] expected one of (relu, fc), got \"gelu\"");
  EXPECT_THROW(dict.insert("fc", ReLU()), ConfigError);
  EXPECT_THROW(dict.insert("a.b", ReLU()), ConfigError);
}

template <class M>
void expect_clone_is_its_own(M module, const Tensor& x) {
  init_parameters(module, 1);
  module.eval();
  M copy = clone(module);
  EXPECT_EQ(copy.to_string(), module.to_string());
  EXPECT_EQ(bits(copy(x)), bits(module(x))) << module.type_name();
  const std::string before = bits(module(x));
  {
    const NoGradGuard no_grad;
    for (const Tensor& p : copy.parameters()) fill_(p, 0.5);
  }
  EXPECT_EQ(bits(module(x)), before) << module.type_name();
  EXPECT_NE(bits(copy(x)), before) << module.type_name();
}

struct Residual : Module {
  ModuleList layers = register_module("layers", ModuleList(Linear(3, 3), Linear(3, 3)));
  ModuleDict heads = register_module("heads", ModuleDict());
  Residual() { heads.insert("out", Linear(3, 2)); }
  Tensor forward(const Tensor& x) override { return heads["out"](layers[1](layers[0](x)) + x); }
};

TEST(ComposedLayers, HaveClonesOfTheirOwn) {
  const Tensor sequence = numbers({5, 2, 3}, 1), row = numbers({2, 3}, 2), image = numbers({2, 4, 3, 5}, 3);
  expect_clone_is_its_own(LSTM(3, 4, {.num_layers = 2, .bidirectional = true}), sequence);
  expect_clone_is_its_own(GRU(3, 4), sequence);
  expect_clone_is_its_own(RNN(3, 4), sequence);
  expect_clone_is_its_own(LSTMCell(3, 4), row);
  expect_clone_is_its_own(GRUCell(3, 4), row);
  expect_clone_is_its_own(RNNCell(3, 4), row);
  expect_clone_is_its_own(MultiheadAttention(3, 3), sequence);
  expect_clone_is_its_own(TransformerEncoderLayer(3, 1, {.dim_feedforward = 4}), sequence);
  expect_clone_is_its_own(TransformerEncoder(TransformerEncoderLayer(3, 3, {.dim_feedforward = 4}), 2, LayerNorm({3})),
                          sequence);
  expect_clone_is_its_own(Residual(), row);
  expect_clone_is_its_own(PReLU(4), image);
  expect_clone_is_its_own(RMSNorm({3, 5}), image);
  expect_clone_is_its_own(InstanceNorm2d(4, {.affine = true}), image);
  expect_clone_is_its_own(InstanceNorm1d(2, {.affine = true}), sequence);
  expect_clone_is_its_own(Conv1d(2, 3, 2), sequence);
  expect_clone_is_its_own(EmbeddingBag(4, 2), Tensor::from<std::int64_t>({0, 3, 1, 1}, {2, 2}));
}

TEST(Embeddings, RefuseIndicesOf16Bits) {
  for (const DType dtype : {DType::bf16, DType::f16}) {
    const Tensor ids = kernels::full({1, 2}, 2049, dtype);  // both round it to 2048
    const auto expect_refusal = [&](Module&& layer, const std::string& op) {
      EXPECT_THAT([&] { layer(ids); }, ::testing::ThrowsMessage<DtypeError>(::testing::HasSubstr("[" + op + "]")));
    };
    expect_refusal(Embedding(3000, 2), "embedding");
    expect_refusal(EmbeddingBag(3000, 2), "EmbeddingBag");
    expect_refusal(CategoryEmbedding({3000, 3000}, 2), "CategoryEmbedding");
  }
}

TEST(Dropout2d, DropsWholeChannelsWhileTraining) {
  Dropout2d dropout(0.5);
  const Tensor x = ones({8, 8, 3, 2}, {.requires_grad = true});
  EXPECT_THROW(dropout(x), ConfigError);  // no random key
  dropout.set_random_key(1);
  const Tensor y = dropout(x);
  backward(sum(y));
  EXPECT_EQ(bits(x.grad()), bits(y));
  const Tensor channels = mean(y, {2, 3});
  EXPECT_EQ(bits(min(y, {2, 3})), bits(max(y, {2, 3})));
  const std::vector<double> kept = values(channels);
  EXPECT_EQ(std::set<double>(kept.begin(), kept.end()), (std::set<double>{0, 2}));
  dropout.eval();
  EXPECT_TRUE(dropout(x).is_same(x));
  EXPECT_EQ(message_of<ConfigError>([] { Dropout2d(-0.1); }), "[Dropout2d] expected a probability in 0..1, got -0.1");
  EXPECT_EQ(message_of<ShapeError>([&] { dropout(ones({2, 3})); }), "[Dropout2d] expected (N, C, H, W), got (2, 3)");
  EXPECT_EQ(dropout.to_string(), "Dropout2d(p=0.5)");
}

TEST(AlphaDropout, KeepsMeanAndVariance) {
  AlphaDropout dropout(0.3);
  dropout.set_random_key(1);
  const Tensor x = Tensor::empty({20000}, DType::f32);
  init::normal_(x, {.key = 2});
  const Tensor y = dropout(x);
  EXPECT_NEAR(mean(y).item<double>(), 0, 0.05);
  EXPECT_NEAR(var(y).item<double>(), 1, 0.08);
  dropout.eval();
  EXPECT_TRUE(dropout(x).is_same(x));
}

// With p = 0.5: a = 1 / sqrt((k^2 p + 1) (1 - p)), b = -k p a, where k = -1.758.. is SELU's limit.
TEST(AlphaDropout, ComputesAsPyTorch) {
  AlphaDropout dropout(0.5), all(1);
  dropout.set_random_key(1);
  const double k = -1.7580993408473766, a = 1 / std::sqrt((k * k * 0.5 + 1) * 0.5), b = -k * 0.5 * a;
  const Tensor x = full({64}, 2, {.dtype = DType::f64, .requires_grad = true});
  const Tensor y = dropout(x);
  backward(sum(y));
  const std::vector<double> got = values(y), slope = values(x.grad());
  int kept = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const bool is_kept = slope[i] != 0;
    kept += is_kept;
    EXPECT_NEAR(got[i], a * (is_kept ? 2 : k) + b, 1e-12);
    EXPECT_NEAR(slope[i], is_kept ? a : 0, 1e-12);
  }
  EXPECT_GT(kept, 16);
  EXPECT_LT(kept, 48);
  EXPECT_EQ(max(abs(all(x))).item<double>(), 0);
}

TEST(ComposedLayers, StartAsInPyTorch) {
  PReLU prelu(2, {.init = 0.1});
  Bilinear bilinear(4, 3, 2);
  Conv1d conv(2, 8, 8);
  for (Module* m : std::initializer_list<Module*>{&prelu, &bilinear, &conv}) init_parameters(*m, 1);
  EXPECT_EQ(values(prelu.weight), (std::vector<double>{0.1F, 0.1F}));
  EXPECT_LE(max(abs(bilinear.weight)).item<double>(), 0.5);
  EXPECT_GT(max(abs(bilinear.weight)).item<double>(), 0.25);
  EXPECT_LE(max(abs(conv.weight)).item<double>(), 0.25);  // 1 / sqrt(2 * 8)
  EXPECT_GT(max(abs(conv.weight)).item<double>(), 0.2);
}

TEST(ComposedLayers, PrintTheirOptions) {
  EXPECT_EQ(Conv1d(4, 6, 3, {.stride = 2, .padding = 1, .groups = 2, .bias = false}).to_string(),
            "Conv1d(4, 6, kernel_size=(3,), stride=(2,), padding=(1,), groups=2, bias=False)");
  EXPECT_EQ(Bilinear(3, 4, 2).to_string(), "Bilinear(in1_features=3, in2_features=4, out_features=2, bias=True)");
  EXPECT_EQ(EmbeddingBag(4, 2).to_string(), "EmbeddingBag(4, 2, mode='mean')");
  EXPECT_EQ(RMSNorm({4}).to_string(), "RMSNorm((4), eps=None, elementwise_affine=True)");
  EXPECT_EQ(PixelShuffle(2).to_string(), "PixelShuffle(upscale_factor=2)");
  EXPECT_EQ(Hardtanh().to_string(), "Hardtanh(min_val=-1, max_val=1)");
}

TEST(EmbeddingBag, TakesIndicesAsFloatsAndGivesZerosForEmptyBags) {
  EmbeddingBag bag(4, 2);
  init_parameters(bag, 1);
  const Tensor indices = Tensor::from<std::int64_t>({0, 3, 1, 1}, {2, 2});
  EXPECT_EQ(bits(bag(to(indices, DType::f32))), bits(bag(indices)));
  EXPECT_EQ(values(bag(zeros({1, 0}))), (std::vector<double>{0, 0}));
  EXPECT_THROW(bag(zeros({3})), ShapeError);
  EXPECT_THROW(bag(full({1, 1}, 4)), IndexError);
}

TEST(ComposedLayers, SayWhatIsWrong) {
  const Tensor image = zeros({2, 3, 4, 6});
  EXPECT_EQ(message_of<ShapeError>([&] {
              AdaptiveAvgPool2d({3, 3})(zeros({4, 6}));
            }),
            "[AdaptiveAvgPool2d] expected (N, C, H, W) or (C, H, W), got (4, 6)");
  EXPECT_THROW(AdaptiveAvgPool2d(0), ConfigError);
  EXPECT_EQ(message_of<ShapeError>([&] { PixelShuffle(2)(image); }),
            "[PixelShuffle] expected (.., C, H, W) with C a multiple of 4, got (2, 3, 4, 6)");
  EXPECT_THROW(PixelShuffle(0), ConfigError);
  EXPECT_THROW(Upsample(2)(zeros({2, 3})), ShapeError);
  EXPECT_THROW(Upsample({0, 1}), ConfigError);
  EXPECT_EQ(message_of<ShapeError>([] {
              Conv1d(3, 4, 2)(zeros({2, 4, 5}));
            }),
            "[Conv1d] expected (N, C, L) or (C, L) with 3 channels, got (2, 4, 5)");
  EXPECT_EQ(message_of<ConfigError>([] { Conv1d(3, 4, 2, {.groups = 2}); }),
            "[Conv1d] expected channels divisible by groups, got 3 and 4 for 2 groups");
  EXPECT_EQ(message_of<ShapeError>([] {
              RMSNorm({3, 4})(zeros({2, 4}));
            }),
            "[RMSNorm] expected a tensor whose last dimensions are (3, 4), got (2, 4)");
  EXPECT_THROW(RMSNorm(Shape{}), ConfigError);
  EXPECT_THROW(RMSNorm({4}, {.eps = -1}), ConfigError);
  EXPECT_EQ(message_of<ShapeError>([] {
              InstanceNorm1d(3)(zeros({2, 3, 1}));
            }),
            "[InstanceNorm1d] expected more than one value per channel, got (2, 3, 1)");
  EXPECT_THROW(InstanceNorm2d(3)(zeros({2, 3, 4})), ShapeError);
  EXPECT_EQ(message_of<ShapeError>([] {
              Bilinear(3, 4, 2)(zeros({2, 3}), zeros({3, 4}));
            }),
            "[Bilinear] expected (.., 3) and (.., 4) with equal leading dimensions, got (2, 3) and (3, 4)");
  EXPECT_THROW(Bilinear(3, 4, 2)(zeros({2, 3})), Error);
  EXPECT_THROW(Hardtanh(1, 1), ConfigError);
  EXPECT_THROW(CELU(0), ConfigError);
  EXPECT_THROW(PReLU(0), ConfigError);
  EXPECT_THROW(PReLU(2)(zeros({2, 3})), ShapeError);
  EXPECT_THROW(GLU()(zeros({2, 3})), ShapeError);
}

}  // namespace
}  // namespace hop::nn
