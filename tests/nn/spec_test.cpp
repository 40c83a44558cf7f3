// The declarative model: canonical text, inferred shapes, and errors that name layer, attribute and the nearest valid
// name.
#include "nn/spec.h"

#include "base/words.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Layers = std::vector<std::string>;

const Layers kCnn = {"conv2d 32 3 padding=1", "batchnorm2d", "relu", "max_pool2d 2", "flatten",
                     "dropout 0.3",           "linear 10"};

TEST(Spec, InfersShapesAndBuildsTheModel) {
  const auto layers = parse_spec(kCnn);
  const SpecPlan plan = plan_spec(layers, {3, 8, 6});
  EXPECT_EQ(plan.shapes[0], (Shape{32, 8, 6}));
  EXPECT_EQ(plan.shapes[3], (Shape{32, 4, 3}));
  EXPECT_EQ(plan.shapes[4], (Shape{384}));
  EXPECT_EQ(plan.shapes[6], (Shape{10}));
  Sequential model = build_spec(layers, {3, 8, 6});
  EXPECT_EQ(model.to_string(),
            "Sequential(\n"
            "  (0): Conv2d(3, 32, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))\n"
            "  (1): BatchNorm2d(32, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)\n"
            "  (2): ReLU()\n"
            "  (3): MaxPool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))\n"
            "  (4): Flatten(start_dim=1, end_dim=-1)\n"
            "  (5): Dropout(p=0.3)\n"
            "  (6): Linear(in_features=384, out_features=10, bias=True)\n"
            ")");
  init_parameters(model, 1);
  model.set_random_key(1);
  EXPECT_EQ(model(kernels::ones({2, 3, 8, 6})).shape(), (Shape{2, 10}));
}

// Every kind of layer: the planned shape and size are those of the layer that is built.
TEST(Spec, PlansWhatEachLayerReallyDoes) {
  struct Case {
    Layers layers;
    Shape sample;
  };
  const std::vector<Case> cases = {
      {{"conv2d 4 3x2 stride=2x1 padding=1 dilation=2 groups=2 bias=false"}, {6, 9, 8}},
      {{"conv2d 4 4x3 padding=same dilation=1x2"}, {2, 5, 4}},
      {{"max_pool2d 3 stride=2 padding=1"}, {2, 7, 5}},
      {{"max_pool2d 2x3 stride=3x2 padding=1 dilation=2x1 ceil_mode=true"}, {2, 7, 5}},
      {{"avg_pool2d 2x3"}, {2, 7, 7}},
      {{"avg_pool2d 3 stride=2 padding=1 ceil_mode=true count_include_pad=false"}, {2, 8, 6}},
      {{"avg_pool2d 3 ceil_mode=true divisor_override=2"}, {2, 8, 2}},
      {{"conv2d 4 3x2 padding=1x2 padding_mode=reflect"}, {2, 4, 5}},
      {{"conv2d 4 4x3 padding=same padding_mode=circular", "conv2d 2 5 padding=4 padding_mode=replicate"}, {2, 3, 4}},
      {{"global_avg_pool2d", "linear 3 bias=false"}, {5, 4, 4}},
      {{"layernorm", "batchnorm1d affine=false"}, {7}},
      {{"layernorm"}, {3, 4}},
      {{"groupnorm 2", "groupnorm 3 affine=false"}, {6, 4, 4}},
      {{"normalize 0.5,0.25 0.5,2", "flatten"}, {2, 3, 3}},
      {{"relu", "leaky_relu 0.2", "elu 0.7", "sigmoid", "tanh", "gelu", "silu", "softmax", "identity"}, {6}},
      {{"gelu approximate=tanh"}, {2, 3}},
  };
  for (const Case& c : cases) {
    const auto layers = parse_spec(c.layers);
    Sequential model = build_spec(layers, c.sample);
    init_parameters(model, 1);
    Shape batch{2};
    for (const std::int64_t size : c.sample) batch.push_back(size);
    const Tensor y = model(kernels::ones(batch));
    Shape expected{2};
    const SpecPlan plan = plan_spec(layers, c.sample);
    for (const std::int64_t size : plan.shapes.back()) expected.push_back(size);
    EXPECT_EQ(y.shape(), expected) << c.layers[0];
    EXPECT_GE(plan.parameter_bytes, static_cast<std::uint64_t>(model.parameter_count()) * 4) << c.layers[0];
  }
}

TEST(Spec, EmbedsIndices) {
  Sequential model = build_spec(parse_spec(Layers{"embedding 10 4", "flatten", "linear 2"}), {3});
  init_parameters(model, 1);
  EXPECT_EQ(model(kernels::zeros({5, 3}, DType::i64)).shape(), (Shape{5, 2}));
  // as batches bring them: whole numbers as f32
  const Tensor indices = Tensor::from<std::int64_t>({0, 9, 4, 4, 1, 8}, {2, 3});
  const Tensor y = model(indices), same = model(kernels::cast(indices, DType::f32));
  for (std::int64_t i = 0; i < y.numel(); ++i) EXPECT_EQ(same.data<float>()[i], y.data<float>()[i]);
  for (const float bad : {-1.0F, 10.0F, 0.5F, NAN, INFINITY, -0.25F}) {
    EXPECT_THROW(model(Tensor::from<float>({0, 1, bad}, {1, 3})), IndexError) << bad;
  }
}

TEST(Spec, NormalizesChannelsByGivenNumbers) {
  Sequential model = build_spec(parse_spec(Layers{"normalize 0.5,-0.25 0.5,2"}), {2, 1, 2});
  const Tensor y = model(Tensor::from<float>({0, 1, 0.75F, 1.75F}, {1, 2, 1, 2}));
  EXPECT_THAT(std::vector<float>(y.data<float>(), y.data<float>() + 4), ElementsAre(-1, 1, 0.5F, 1));
  EXPECT_THAT(names_of(model.state_dict()), ElementsAre("0.mean", "0.std"));
  const auto error = [](const std::string& layer, const Shape& sample) {
    return message_of<ConfigError>([&] { plan_spec(parse_spec(Layers{layer}), sample); });
  };
  EXPECT_THAT(error("normalize 0.5 0.5,0.5", {2, 4, 4}), HasSubstr("an image of 1 channels, one for each mean"));
  EXPECT_THAT(error("normalize 0.5,0.5 0.5", {2, 4, 4}), HasSubstr("an image of 1 channels, one for each std"));
  EXPECT_THAT(error("normalize 0.5 0.5", {2}), HasSubstr("an image (C, H, W)"));
  EXPECT_THAT(error("normalize 0.5 0", {1, 4, 4}),
              HasSubstr("std expects numbers with commas between them, each of at least 1e-09"));
  for (const char* bad : {"normalize 0.5, 0.5", "normalize ,0.5 1,1", "normalize 0.5,,1 1,1,1", "normalize nan 1"}) {
    EXPECT_THROW(parse_spec(Layers{bad}), ConfigError) << bad;
  }
  EXPECT_THROW(parse_spec(Layers{"normalize 0.5"}), ConfigError);
  const std::vector<double> one = {1}, two = {1, 2}, zero = {0}, endless = {INFINITY};
  EXPECT_THROW(Normalize(one, two), ConfigError);
  EXPECT_THROW(Normalize({}, {}), ConfigError);
  EXPECT_THROW(Normalize(one, zero), ConfigError);
  EXPECT_THROW(Normalize(endless, one), ConfigError);
  EXPECT_THROW(Normalize(one, one).forward(kernels::ones({2, 2, 3, 3})), ShapeError);
}

TEST(Spec, HasOneCanonicalText) {
  const auto canonical = [](const std::string& text) { return parse_spec(Layers{text})[0].to_text(); };
  EXPECT_EQ(canonical("conv2d 32 3 padding=1"), "conv2d 32 3 padding=1");
  EXPECT_EQ(canonical("  conv2d\t032   3x3  stride=1 bias=true groups=2"), "conv2d 32 3 groups=2");
  EXPECT_EQ(canonical("conv2d kernel_size=3x5 out_channels=8"), "conv2d 8 3x5");
  EXPECT_EQ(canonical("max_pool2d 2 2"), "max_pool2d 2 stride=2");
  EXPECT_EQ(canonical("dropout 0.50"), "dropout");
  EXPECT_EQ(canonical("normalize std=1,2.50 mean=0.0,-1e0"), "normalize 0,-1 1,2.5");
  EXPECT_EQ(canonical("dropout p=3e-1"), "dropout 0.3");
  EXPECT_EQ(canonical("batchnorm2d eps=0.001"), "batchnorm2d eps=0.001");
  EXPECT_EQ(canonical("gelu approximate=none"), "gelu");
  EXPECT_EQ(canonical("gelu tanh"), "gelu approximate=tanh");
  for (const LayerSpec& layer : parse_spec(kCnn)) EXPECT_EQ(parse_spec(Layers{layer.to_text()})[0], layer);
}

struct Bad {
  Layers layers;
  const char* message;
};

TEST(Spec, ErrorsNameLayerAttributeAndTheNearestName) {
  const std::vector<Bad> table = {
      {{}, "[spec] expected at least one layer, got none"},
      {{"gelu erf"}, "[spec] layer 0 \"gelu erf\": approximate expects one of none and tanh, got \"erf\""},
      {{"relu", ""}, "[spec] layer 1 \"\": expected the name of a layer, got nothing"},
      {{"relu", "rellu"},
       "[spec] layer 1 \"rellu\": expected the name of a layer, got \"rellu\"; did you mean \"relu\"?"},
      {{"batch_norm2d"},
       "[spec] layer 0 \"batch_norm2d\": expected the name of a layer, got \"batch_norm2d\"; did you mean "
       "\"batchnorm2d\"?"},
      {{"transformer"},
       "[spec] layer 0 \"transformer\": expected the name of a layer, got \"transformer\"; did you mean "
       "\"transformer_encoder_layer\"?"},
      {{"dense 8"},
       "[spec] layer 0 \"dense 8\": expected the name of a layer, got \"dense\"; did you mean \"linear 8\"?"},
      {{"unflaten 3,4,5"},
       "[spec] layer 0 \"unflaten 3,4,5\": expected the name of a layer, got \"unflaten\"; did you mean \"unflatten "
       "3,4,5\"?"},
      {{"nn.Linear 8"},
       "[spec] layer 0 \"nn.Linear 8\": expected the name of a layer, got \"nn.Linear\"; did you mean \"linear 8\"?"},
      {{"dense(8)"},
       "[spec] layer 0 \"dense(8)\": expected the name of a layer, got \"dense\"; did you mean \"linear\"? Spaces "
       "stand "
       "before and between its values, as in \"conv2d 16 3\""},
      {{"linear ten"},
       "[spec] layer 0 \"linear ten\": out_features expects a whole number of at least 1 and below 1e+09, got \"ten\""},
      {{"linear 0"},
       "[spec] layer 0 \"linear 0\": out_features expects a whole number of at least 1 and below 1e+09, got \"0\""},
      {{"linear 2.5"},
       "[spec] layer 0 \"linear 2.5\": out_features expects a whole number of at least 1 and below 1e+09, got \"2.5\""},
      {{"linear 99999999999999999999"},
       "[spec] layer 0 \"linear 99999999999999999999\": out_features expects a whole number of at least 1 and below "
       "1e+09, got "
       "\"99999999999999999999\""},
      {{"linear"}, "[spec] layer 0 \"linear\": expected a value for out_features"},
      {{"linear 10 true false"}, "[spec] layer 0 \"linear 10 true false\": expected at most 2 values, got \"false\""},
      {{"linear 10 bias=no"}, "[spec] layer 0 \"linear 10 bias=no\": bias expects true or false, got \"no\""},
      {{"relu 3"}, "[spec] layer 0 \"relu 3\": expected at most 0 values, got \"3\""},
      {{"conv2d 8 3 paddng=1"},
       "[spec] layer 0 \"conv2d 8 3 paddng=1\": conv2d has no attribute \"paddng\"; did you mean \"padding\"?"},
      {{"conv2d 8 3 padding=1 2"}, "[spec] layer 0 \"conv2d 8 3 padding=1 2\": expected name=value, got \"2\""},
      {{"conv2d 8 3 kernel_size=5"}, "[spec] layer 0 \"conv2d 8 3 kernel_size=5\": expected kernel_size once"},
      {{"conv2d 8 3x"},
       "[spec] layer 0 \"conv2d 8 3x\": kernel_size expects a size (N or HxW) of at least 1 and below 10000, got "
       "\"3x\""},
      {{"conv2d 8 3 padding=-1"},
       "[spec] layer 0 \"conv2d 8 3 padding=-1\": padding expects \"same\", or a size (N or HxW) of at least 0 and "
       "below "
       "10000, got \"-1\""},
      {{"max_pool2d 2 padding=same"},
       "[spec] layer 0 \"max_pool2d 2 padding=same\": padding expects a size (N or HxW) of at least 0 and below 10000, "
       "got \"same\""},
      {{"conv2d 8 3 padding_mode=mirror"},
       "[spec] layer 0 \"conv2d 8 3 padding_mode=mirror\": padding_mode expects one of zeros, reflect, replicate "
       "and circular, "
       "got \"mirror\""},
      {{"linear 1000000000"},
       "[spec] layer 0 \"linear 1000000000\": out_features expects a whole number of at least 1 and below 1e+09, got "
       "\"1000000000\""},
      {{"leaky_relu 1e9"},
       "[spec] layer 0 \"leaky_relu 1e9\": negative_slope expects a number of at least 0 and below 1e+09, got \"1e9\""},
      {{"groupnorm"}, "[spec] layer 0 \"groupnorm\": expected a value for num_groups"},
      {{"dropout 1"}, "[spec] layer 0 \"dropout 1\": p expects a number of at least 0 and below 1, got \"1\""},
      {{"dropout nan"}, "[spec] layer 0 \"dropout nan\": p expects a number of at least 0 and below 1, got \"nan\""},
  };
  for (const Bad& bad : table) {
    EXPECT_EQ(message_of<ConfigError>([&] { parse_spec(bad.layers); }), bad.message);
  }
  EXPECT_EQ(message_of<ConfigError>([] { parse_spec(Layers{"hypercube"}); }),
            "[spec] layer 0 \"hypercube\": expected the name of a layer, got \"hypercube\"; the layers are " +
                list_of(spec_layer_names(), 100));
}

TEST(Spec, MismatchedShapesNameTheLayer) {
  const Shape image{3, 8, 8};
  const std::vector<std::pair<Layers, std::string>> table = {
      {{"conv2d 4 3", "linear 10"},
       "[spec] layer 1 \"linear 10\": expected a flat input (put \"flatten\" before it), got (4, 6, 6)"},
      {{"flatten", "conv2d 4 3"}, "[spec] layer 1 \"conv2d 4 3\": expected an image (C, H, W), got (192)"},
      {{"flatten", "max_pool2d 2"}, "[spec] layer 1 \"max_pool2d 2\": expected an image (C, H, W), got (192)"},
      {{"flatten", "batchnorm2d"}, "[spec] layer 1 \"batchnorm2d\": expected an image (C, H, W), got (192)"},
      {{"batchnorm1d"},
       "[spec] layer 0 \"batchnorm1d\": expected a flat input (put \"flatten\" before it), got (3, 8, 8)"},
      {{"max_pool2d 9"},
       "[spec] layer 0 \"max_pool2d 9\": expected an image at least as large as the window, got (3, 8, 8)"},
      {{"conv2d 8 3 padding=8 padding_mode=reflect"},
       "[spec] layer 0 \"conv2d 8 3 padding=8 padding_mode=reflect\": expected padding of at most 7 with "
       "padding_mode=reflect, got 8"},
      {{"max_pool2d 2 padding=2"},
       "[spec] layer 0 \"max_pool2d 2 padding=2\": expected padding of at most half the kernel"},
      {{"conv2d 4 3 stride=2 padding=same"},
       "[spec] layer 0 \"conv2d 4 3 stride=2 padding=same\": expected a stride of 1 with padding=same"},
      {{"conv2d 4 3 groups=2"},
       "[spec] layer 0 \"conv2d 4 3 groups=2\": expected channels divisible by groups, got 3 and 4 for 2 groups"},
  };
  for (const auto& [layers, message] : table) {
    EXPECT_EQ(message_of<ConfigError>([&, &layers = layers] { plan_spec(parse_spec(layers), image); }), message);
  }
  EXPECT_THAT(message_of<ConfigError>([&] {
                plan_spec(parse_spec(Layers{"relu", "conv2d 4 9"}), image);
              }),
              ::testing::StartsWith("[spec] layer 1 \"conv2d 4 9\": "));
  EXPECT_THROW(plan_spec(parse_spec(Layers{"relu"}), {0}), ConfigError);
}

TEST(Spec, IsBoundedBeforeAnythingIsAllocated) {
  const SpecLimits limits{.layers = 3, .parameter_bytes = 1'000};
  EXPECT_EQ(message_of<ConfigError>([&] { parse_spec(Layers(4, "relu"), limits); }),
            "[spec] expected at most 3 layers, got 4");
  EXPECT_EQ(message_of<ConfigError>([&] {
              build_spec(parse_spec(Layers{"linear 10", "linear 20"}), {10}, limits);
            }),
            "[spec] layer 1 \"linear 20\": expected at most 1000 bytes of parameters up to here, got 1320");
  const Layers huge{"linear 999999999", "linear 999999999"};
  EXPECT_THROW(build_spec(parse_spec(huge), {1'000}), ConfigError);
  EXPECT_THROW(
      build_spec(parse_spec(Layers{"conv2d 1 1 padding=9999", "conv2d 1000 1 padding=9999"}), {1, 9'999, 9'999}),
      ConfigError);
  EXPECT_THROW(parse_spec(Layers{"relu" + std::string(2'000, ' ')}), ConfigError);
}

TEST(Spec, ChecksLayersThatWereNotParsed) {
  EXPECT_THROW(plan_spec(std::vector<LayerSpec>{{"linear", {}}}, {4}), ConfigError);
  EXPECT_THROW(plan_spec(std::vector<LayerSpec>{{"linear", {"x", "true"}}}, {4}), ConfigError);
  EXPECT_THROW(plan_spec(std::vector<LayerSpec>{{"liner", {"3", "true"}}}, {4}), ConfigError);
}

}  // namespace
}  // namespace hop::nn
