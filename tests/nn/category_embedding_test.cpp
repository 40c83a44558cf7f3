// Numbers beside categories: judged by tables that are read by hand, by differences, and by bits that must not change.
#include "autograd/gradcheck.h"
#include "autograd/graph.h"
#include "kernels/capture.h"
#include "kernels/threads.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/model.h"
#include "nn/optim/adam.h"
#include "nn/state.h"
#include "tensor/random.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::int64_t>;

Tensor rows(std::initializer_list<float> values, std::int64_t columns) {
  return Tensor::from<float>(values, {static_cast<std::int64_t>(values.size()) / columns, columns});
}

// Row r of the weight holds r and -r.
CategoryEmbedding counted(const Words& words) {
  CategoryEmbedding layer(words, 2);
  for (std::int64_t r = 0; r < layer.weight.size(0); ++r) {
    layer.weight.data<float>()[2 * r] = static_cast<float>(r);
    layer.weight.data<float>()[2 * r + 1] = static_cast<float>(-r);
  }
  return layer;
}

TEST(CategoryEmbedding, PutsAVectorPerCategoryBehindTheNumbers) {
  CategoryEmbedding layer = counted({3, 1});  // rows 0..3 and 4..5
  EXPECT_EQ(layer.weight.shape(), (Shape{6, 2}));
  EXPECT_THAT(values(layer.first), ElementsAre(0, 4, 6));
  const Tensor y = layer(rows({0.5F, 3, 0, 1.5F, 0, 1}, 3));
  ASSERT_EQ(y.shape(), (Shape{2, 5}));
  EXPECT_THAT(values(y), ElementsAre(0.5, 3, -3, 4, -4, 1.5, 0, 0, 5, -5));
  EXPECT_THAT(values(counted({1})(rows({1, 0}, 1))), ElementsAre(1, -1, 0, 0)) << "no numbers";
  EXPECT_EQ(layer.to_string(), "CategoryEmbedding([3, 1], 2)");
}

TEST(CategoryEmbedding, AWordThatNoRowHadBeginsAsZero) {
  CategoryEmbedding layer({3, 1}, 4);
  init_parameters(layer, 5);
  const Tensor y = layer(rows({0, 0, 3, 1}, 2));
  EXPECT_THAT(values(slice(y, 0, 0, 1)), Each(0));
  EXPECT_THAT(values(slice(y, 0, 1, 2)), Each(Not(0)));
}

// Without the check it would be a word of the neighbour.
TEST(CategoryEmbedding, AnIndexOutOfItsCategoryIsAnError) {
  CategoryEmbedding layer = counted({3, 1});
  for (const float wrong : {4.0F, -1.0F, std::nanf(""), INFINITY, -INFINITY, 1e30F}) {
    EXPECT_THROW(layer(rows({0, wrong, 1}, 3)), IndexError) << wrong;
    EXPECT_THROW(layer(rows({0, 1, wrong}, 3)), IndexError) << wrong;
  }
  EXPECT_THAT(message_of<ShapeError>([&] { layer(rows({1, 2}, 1)); }), HasSubstr("with C = 2, got (2, 1)"));
}

TEST(CategoryEmbedding, RefusesTablesThatNoIndexCanName) {
  EXPECT_THROW(CategoryEmbedding({}, 2), ConfigError);
  EXPECT_THROW(CategoryEmbedding({3}, 0), ConfigError);
  EXPECT_THROW(CategoryEmbedding({-1}, 2), ConfigError);
  EXPECT_THROW(CategoryEmbedding({std::int64_t{1} << 24}, 2), ConfigError);
}

TEST(CategoryEmbedding, ItsGradientsAgreeWithTheSlope) {
  CategoryEmbedding layer({3, 2}, 3, {.dtype = DType::f64});
  init_parameters(layer, 3);
  const Tensor indices = Tensor::from<double>({3, 0, 0, 2, 3, 1, 3, 2}, {4, 2});
  const Tensor numbers = Tensor::from<double>({0.5, -1, 2, 0.25}, {4, 1});
  numbers.set_requires_grad();
  const auto forward = [&](const std::vector<Tensor>& in) {
    return std::vector{square(layer(cat({in[0], indices}, 1)))};
  };
  const auto report = hop::testing::gradcheck(forward, {numbers, layer.weight});
  EXPECT_TRUE(report) << report.message;
  const auto second = hop::testing::gradgradcheck(forward, {numbers, layer.weight});
  EXPECT_TRUE(second) << second.message;
}

// Rows with repeated words, so that the order of the additions shows in the last bits.
Tensor batch(std::uint64_t i, std::int64_t count) {
  PhiloxStream random({.key = i});
  const Tensor x = Tensor::empty({count, 5}, DType::f32);
  for (std::int64_t r = 0; r < count; ++r) {
    float* row = x.data<float>() + 5 * r;
    for (int k = 0; k < 3; ++k) row[k] = random.uniform();
    row[3] = static_cast<float>(random.below(4));
    row[4] = static_cast<float>(random.below(1001));
  }
  return x;
}

/// A model of both, with all that a step changes.
struct Trainee {
  Sequential net{CategoryEmbedding({3, 1000}, 16), Linear(35, 8), ReLU(), Linear(8, 1)};
  std::unique_ptr<optim::Optimizer> optimizer;
  std::unique_ptr<StateBlock> state;
  Trainee() {
    init_parameters(net, 7);
    optimizer = std::make_unique<optim::Adam>(net.named_parameters(), optim::AdamOptions{.lr = 0.01});
    state = std::make_unique<StateBlock>(net, optimizer.get());
    net.set_random_source(state->counters_tensor(), optimizer->step_tensor());
  }
  Tensor step(const Tensor& x) {
    net.begin_step();
    optimizer->zero_grad();
    const Tensor loss = sum(square(net(x)));
    backward(loss);
    optimizer->step();
    return loss.detach();
  }
};

TEST(CategoryEmbedding, TrainsToTheSameBitsByReplayAndOnAnyNumberOfThreads) {
  Trainee eager, captured;
  CapturedFunction step([&](std::span<const Tensor> in) { return std::vector{captured.step(in[0])}; });
  for (std::uint64_t i = 0; i < 6; ++i) {
    const Tensor x = batch(i, i % 3 == 2 ? 50 : 128);
    const Tensor loss = eager.step(x);
    ASSERT_EQ(bits(step({x})[0]), bits(loss)) << "step " << i;
    ASSERT_EQ(captured.state->digest(), eager.state->digest()) << "step " << i;
  }
  const auto gradient_with = [](int threads) {
    kernels::set_compute_threads(threads);
    CategoryEmbedding layer({3, 1000}, 16);
    init_parameters(layer, 7);
    backward(sum(square(layer(batch(1, 5000)))));
    kernels::set_compute_threads(1);
    return bits(layer.weight.grad());
  };
  EXPECT_EQ(gradient_with(3), gradient_with(1));
}

TEST(CategoryEmbedding, IsThePartOfASpecThatReadsIndices) {
  data::Input input({5});
  input.words = {3, 1000};
  const auto layers = parse_spec(std::vector<std::string>{"embed 16", "linear 8"});
  Sequential model = build_spec(layers, input);
  init_parameters(model, 1);
  EXPECT_EQ(plan_spec(layers, input).shapes[0], Shape{35});
  EXPECT_GE(plan_spec(layers, input).parameter_bytes, static_cast<std::uint64_t>(model.parameter_count()) * 4 + 24);
  EXPECT_EQ(model(batch(1, 4)).shape(), (Shape{4, 8}));
  EXPECT_THAT(names_of(model.state_dict()), ElementsAre("0.weight", "0.first", "1.weight", "1.bias"));
}

TEST(CategoryEmbedding, ASpecNeverTakesIndicesForNumbers) {
  data::Input input({5});
  input.words = {3, 1000};
  const auto error = [](const std::vector<std::string>& layers, const data::Input& sample) {
    return message_of<ConfigError>([&] { plan_spec(parse_spec(layers), sample); });
  };
  EXPECT_THAT(error({"linear 8"}, input), HasSubstr("expected \"embed SIZE\" as the first layer, because the last 2"));
  EXPECT_THAT(error({"flatten", "embed 4"}, input), HasSubstr("layer 0 \"flatten\": expected \"embed SIZE\""));
  EXPECT_THAT(error({"embed 4"}, {5}), HasSubstr("write categories = \"index\" in [data]"));
  data::Input narrow({1});
  narrow.words = {3, 1000};
  EXPECT_THAT(error({"embed 4"}, narrow), HasSubstr("a feature for each of 2 categories, got (1)"));
  EXPECT_THAT(error({"embed 4", "embed 4"}, input), HasSubstr("layer 1 \"embed 4\": expected rows with categories"));
  for (const char* family : {"mlp", "lenet"}) {
    EXPECT_THAT(message_of<ConfigError>([&] { build_model({.family = family}, input, 2); }),
                HasSubstr("write layers = [\"embed 16\""));
  }
  EXPECT_NO_THROW(build_model({.layers = {"embed $size", "linear $outputs"}, .config = {{"size", "3"}}}, input, 2));
}

}  // namespace
}  // namespace hop::nn
