// Layers of specs beyond the first ones: what the text says reaches the module, plans are what is built, errors say
// what to write, and the files for PyTorch and ONNX have every layer. (tests/hopper trains the models of layer_cases.h,
// and tests/cli compares what is exported with PyTorch and onnxruntime.)
#include <set>

#include "nn/init.h"
#include "nn/layers.h"
#include "nn/model.h"
#include "nn/onnx_export.h"
#include "nn/spec.h"
#include "nn/torch_script.h"
#include "tests/nn/layer_cases.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Layers = std::vector<std::string>;

const Shape kPicture = {1, 28, 28};

std::string error_of(const std::string& layer, const Shape& sample = {4, 6, 6}) {
  const std::string message = message_of<ConfigError>([&] { plan_spec(parse_spec(Layers{layer}), sample); });
  const std::size_t colon = message.find("\": ");
  return colon == std::string::npos ? message : message.substr(colon + 3);
}

Layers texts_of(const LayerCase& c) {
  Layers texts;
  for (const NamedLayer& layer : layers_of(ModelDescription{.layers = c.layers}, kPicture, 10))
    texts.push_back(layer.text);
  return texts;
}

void add_kinds(const std::vector<LayerSpec>& layers, std::set<std::string>& kinds) {
  for (const LayerSpec& layer : layers) {
    kinds.insert(layer.kind);
    for (const std::vector<LayerSpec>& branch : layer.branches) add_kinds(branch, kinds);
  }
}

class SpecLayers : public ::testing::TestWithParam<LayerCase> {};

TEST_P(SpecLayers, HaveOneTextAndPlanWhatTheyReallyDo) {
  const Layers texts = texts_of(GetParam());
  const std::vector<LayerSpec> layers = parse_spec(texts);
  for (std::size_t i = 0; i < layers.size(); ++i) EXPECT_EQ(layers[i].to_text(), texts[i]);
  const SpecPlan plan = plan_spec(layers, kPicture);
  Tensor x = kernels::ones({2, 1, 28, 28});
  for (std::int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] = static_cast<float>(i * 37 % 101) / 50 - 1;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    Sequential built = build_spec(std::span(layers).subspan(i, 1), i == 0 ? kPicture : plan.shapes[i - 1]);
    init_parameters(built, 1);
    built.set_random_key(1);
    x = built(x);
    Shape expected{2};
    for (const std::int64_t size : plan.shapes[i]) expected.push_back(size);
    ASSERT_EQ(x.shape(), expected) << texts[i];
    for (const double value : values(x)) ASSERT_TRUE(std::isfinite(value)) << texts[i];
    for (const auto& [name, tensor] : built.state_dict())
      bytes += static_cast<std::uint64_t>(tensor.numel()) * size_of(tensor.dtype());
  }
  EXPECT_EQ(bytes, plan.parameter_bytes);
}

TEST_P(SpecLayers, TravelAsText) {
  const std::string text = ModelDescription{.layers = GetParam().layers}.to_text(10);
  EXPECT_EQ(ModelDescription::from_text(text).to_text(10), text);
}

TEST_P(SpecLayers, StandInTheFilesForPyTorchAndOnnx) {
  const ModelDescription description{.layers = GetParam().layers};
  const data::RowSchema schema{.features = {"x", DType::u8, kPicture},
                               .scale = data::Scale{0, 1.0 / 255},
                               .table = {},
                               .target = {.classes = 10}};
  const auto module = build_model(description, kPicture, 10);
  init_parameters(*module, 1);
  const Predictor predictor(module, schema, Output::Scores, description);
  const std::string script = torch_script(predictor);
  EXPECT_THAT(script, HasSubstr("nn.Linear("));
  EXPECT_EQ(script.find("(None"), std::string::npos);  // a layer that PyTorch lacks
  EXPECT_EQ(script.find(", None"), std::string::npos);
  EXPECT_GT(encode_onnx(predictor).bytes.size(), 1000U);
}

INSTANTIATE_TEST_SUITE_P(All, SpecLayers, ::testing::ValuesIn(layer_cases()),
                         [](const auto& c) { return c.param.name; });

// A kind that no test builds would be a row that nobody has seen work.
TEST(SpecLayersTable, HasNoKindWithoutACase) {
  std::set<std::string> kinds = {// those of spec_test.cpp and spec_branches_test.cpp
                                 "avg_pool2d",
                                 "global_avg_pool2d",
                                 "embedding",
                                 "embed",
                                 "identity",
                                 "batchnorm2d",
                                 "layernorm",
                                 "groupnorm",
                                 "normalize",
                                 "leaky_relu",
                                 "elu",
                                 "sigmoid",
                                 "tanh",
                                 "gelu",
                                 "silu",
                                 "softmax",
                                 "dropout",
                                 "residual",
                                 "attention",
                                 "random_crop",
                                 "random_horizontal_flip",
                                 "image_tokens",
                                 "last_token"};
  for (const LayerCase& c : layer_cases()) add_kinds(parse_spec(texts_of(c)), kinds);
  for (const std::string_view name : spec_layer_names()) EXPECT_TRUE(kinds.contains(std::string(name))) << name;
}

// Each option, as the module prints it.
TEST(SpecLayersTable, GivesTheModuleItsOptions) {
  const Shape image = {4, 6, 6}, sequence = {4, 9}, row = {6};
  struct Row {
    const char* text;
    Shape sample;
    const char* module;
  };
  const std::vector<Row> table = {
      {"conv_transpose2d 6 3x2 stride=2 padding=1x0 output_padding=0x1 dilation=1x3 groups=2 bias=false", image,
       "ConvTranspose2d(4, 6, kernel_size=(3, 2), stride=(2, 2), padding=(1, 0), dilation=(1, 3), output_padding=(0, "
       "1), groups=2, bias=False)"},
      {"adaptive_avg_pool2d 3x5", image, "AdaptiveAvgPool2d(output_size=(3, 5))"},
      {"adaptive_max_pool2d 3x5", image, "AdaptiveMaxPool2d(output_size=(3, 5))"},
      {"upsample 2x3", image, "Upsample(scale_factor=(2, 3), mode='nearest')"},
      {"upsample 2 mode=bicubic align_corners=true", image, "Upsample(scale_factor=(2, 2), mode='bicubic')"},
      {"pixel_shuffle 2", image, "PixelShuffle(upscale_factor=2)"},
      {"pixel_unshuffle 3", image, "PixelUnshuffle(downscale_factor=3)"},
      {"conv1d 6 3 stride=2 padding=2 dilation=2 groups=2 bias=false padding_mode=reflect", sequence,
       "Conv1d(4, 6, kernel_size=(3,), stride=(2,), padding=(2,), dilation=(2,), groups=2, bias=False, "
       "padding_mode=reflect)"},
      {"max_pool1d 3 padding=1", sequence, "MaxPool1d(kernel_size=3, stride=3, padding=1)"},
      {"avg_pool1d 3 stride=2", sequence, "AvgPool1d(kernel_size=3, stride=2, padding=0)"},
      {"unflatten 2,3", row, "Unflatten(dim=1, unflattened_size=(2, 3))"},
      {"lstm 5 2 dropout=0.5 bidirectional=true bias=false", sequence,
       "LSTM(9, 5, num_layers=2, bias=False, batch_first=True, dropout=0.5, bidirectional=True)"},
      {"gru 5 last=true", sequence, "GRU(9, 5, batch_first=True, last_state=True)"},
      {"rnn 5", sequence, "RNN(9, 5, batch_first=True)"},
      {"prelu 4 init=0.5", image, "PReLU(num_parameters=4)"},
      {"hardtanh -2 3", row, "Hardtanh(min_val=-2, max_val=3)"},
      {"softplus 2 threshold=5", row, "Softplus(beta=2, threshold=5)"},
      {"threshold 0.5 -1", row, "Threshold(threshold=0.5, value=-1)"},
      {"instancenorm2d eps=0.1 momentum=none affine=true track_running_stats=true", image,
       "InstanceNorm2d(4, eps=0.1, momentum=None, affine=True, track_running_stats=True)"},
      {"rmsnorm 0.1 elementwise_affine=false", row, "RMSNorm((6), eps=0.1, elementwise_affine=False)"},
      {"dropout2d 0.25", image, "Dropout2d(p=0.25)"},
      {"alpha_dropout 0.25", row, "AlphaDropout(p=0.25)"},
  };
  for (const Row& c : table) {
    EXPECT_EQ(build_spec(parse_spec(Layers{c.text}), c.sample).to_string(),
              "Sequential(\n  (0): " + std::string(c.module) + "\n)")
        << c.text;
  }
}

TEST(SpecLayersTable, SaysWhatDoesNotFit) {
  const std::vector<std::tuple<std::string, Shape, std::string>> table = {
      {"conv_transpose2d 4 3 output_padding=2",
       {4, 6, 6},
       "expected an output_padding below the stride or the "
       "dilation, got 2 for a stride of 1 and a dilation of 1"},
      {"conv_transpose2d 4 1 padding=3",
       {4, 6, 6},
       "expected a padding that leaves something of the result, got 3 on "
       "each side of 6"},
      {"conv_transpose2d 3 2 groups=2", {4, 6, 6}, "expected channels divisible by groups, got 4 and 3 for 2 groups"},
      {"conv_transpose2d 3 2", {4}, "expected an image (C, H, W), got (4)"},
      {"adaptive_avg_pool2d 3", {4}, "expected an image (C, H, W), got (4)"},
      {"upsample 2 align_corners=true", {4, 6, 6}, "expected align_corners with mode=bilinear or mode=bicubic"},
      {"upsample 2 mode=area", {4, 6, 6}, "mode expects one of nearest, bilinear and bicubic, got \"area\""},
      {"pixel_shuffle 3", {4, 6, 6}, "expected an image (C, H, W) whose channels 9 divides, got (4, 6, 6)"},
      {"pixel_unshuffle 4", {4, 6, 6}, "expected an image (C, H, W) whose height and width 4 divides, got (4, 6, 6)"},
      {"conv1d 4 3", {4, 6, 6}, "expected a sequence (C, L), got (4, 6, 6)"},
      {"conv1d 4 7", {4, 6}, "expected a sequence (C, L) at least as long as the kernel, got (4, 6)"},
      {"conv1d 4 3 padding=1x2", {4, 6}, "expected padding=same or one number, got padding=1x2"},
      {"conv1d 4 3 padding=same stride=2", {4, 6}, "expected a stride of 1 with padding=same"},
      {"conv1d 4 3 groups=3", {4, 6}, "expected channels divisible by groups, got 4 and 4 for 3 groups"},
      {"conv1d 4 3 padding=6 padding_mode=reflect",
       {4, 6},
       "expected padding of at most 5 with padding_mode=reflect, "
       "got 6"},
      {"max_pool1d 2 padding=2", {4, 6}, "expected padding of at most half the kernel"},
      {"avg_pool1d 7", {4, 6}, "expected a sequence (C, L) at least as long as the window, got (4, 6)"},
      {"unflatten 2,4", {6}, "expected a row of as many values as sizes of 2,4 make, got (6)"},
      {"unflatten 2,3", {6, 1}, "expected a flat input (put \"flatten\" before it), got (6, 1)"},
      {"unflatten 1.5,4", {6}, "expected whole numbers as sizes, got 1.5,4"},
      {"unflatten 1,1,1,2,3", {6}, "expected at most 4 sizes, got 1,1,1,2,3"},
      {"transpose", {6}, "expected tokens (T, E) or a sequence (C, L), got (6)"},
      {"lstm 4", {6}, "expected tokens (T, E), got (6)"},
      {"lstm 0", {6, 4}, "hidden_size expects a whole number of at least 1 and below 1e+06, got \"0\""},
      {"rnn 4 nonlinearity=gelu", {6, 4}, "nonlinearity expects one of tanh and relu, got \"gelu\""},
      {"transformer_encoder_layer 3", {6, 4}, "expected tokens whose size the heads divide, got 4 for 3 heads"},
      {"prelu 3",
       {4, 6, 6},
       "expected num_parameters of 1, or of 4: one for each channel of the input (4, 6, 6), got "
       "3"},
      {"hardtanh 1 1", {6}, "expected min_val below max_val, got 1 and 1"},
      {"glu", {5}, "expected an even number of values in the last dimension, got (5)"},
      {"instancenorm2d", {4, 1, 1}, "expected more than one value in each channel, got (4, 1, 1)"},
      {"instancenorm1d", {4}, "expected a sequence (C, L), got (4)"},
      {"concat", {6}, "expected a branch: concat { LAYERS }"},
      {"concat { relu } { relu } { relu } { relu } { relu }", {6}, "expected 1 to 4 branches { LAYERS }, got 5"},
      {"concat dim=2 { relu }",
       {6},
       "expected a dim in 1..1 of results (6), where dimension 0 is that of the rows, "
       "got 2"},
      {"concat dim=0 { relu }",
       {6},
       "expected a dim in 1..1 of results (6), where dimension 0 is that of the rows, "
       "got 0"},
      {"concat { max_pool2d 2 }",
       {4, 6, 6},
       "expected results that differ in dimension 1 at most, got (4, 6, 6) of "
       "the input and (4, 3, 3)"},
      {"concat { flatten } { relu }",
       {4, 6, 6},
       "expected results that differ in dimension 1 at most, got (144) and "
       "(4, 6, 6)"},
  };
  for (const auto& [text, sample, expected] : table) EXPECT_EQ(error_of(text, sample), expected) << text;
}

// ---- what they compute

Sequential model_of(const Layers& layers, const Shape& sample) {
  Sequential model = build_spec(parse_spec(layers), sample);
  init_parameters(model, 1);
  return model;
}

TEST(ConcatLayer, JoinsItsBranchesOrTheInputWithOne) {
  const Tensor x = Tensor::from<float>({1, -2, 3, -4}, {2, 2});
  EXPECT_THAT(values(model_of({"concat { relu } { identity }"}, {2})(x)), ElementsAre(1, 0, 1, -2, 3, 0, 3, -4));
  EXPECT_THAT(values(model_of({"concat { relu }"}, {2})(x)), ElementsAre(1, -2, 1, 0, 3, -4, 3, 0));
  const Tensor y = Tensor::from<float>({1, -2, 3, -4}, {1, 2, 2});
  EXPECT_THAT(values(model_of({"concat dim=-1 { relu }"}, {2, 2})(y)), ElementsAre(1, -2, 1, 0, 3, -4, 3, 0));
  EXPECT_EQ(bits(model_of({"concat dim=2 { relu }"}, {2, 2})(y)),
            bits(model_of({"concat dim=-1 { relu }"}, {2, 2})(y)));
  Sequential model = model_of({"concat { linear 3 bias=false } { linear 2; tanh }"}, {4});
  EXPECT_THAT(names_of(model.state_dict()), ElementsAre("0.0.0.weight", "0.1.0.weight", "0.1.0.bias"));
  EXPECT_EQ(parse_spec(Layers{"concat{relu}{ tanh }"})[0].to_text(), "concat { relu } { tanh }");
  EXPECT_EQ(parse_spec(Layers{"concat dim=2 {relu}"})[0].to_text(), "concat dim=2 { relu }");
  EXPECT_THROW(Concat(std::vector<Sequential>{}), ConfigError);
}

TEST(LastStateLayer, IsWhatEachDirectionKnowsAtItsEnd) {
  const Tensor x = kernels::ones({2, 3, 4});
  for (int i = 0; i < 24; ++i) x.data<float>()[i] = static_cast<float>(i % 7) - 3;
  for (const char* kind : {"lstm", "gru", "rnn"}) {
    const std::string text = std::string(kind) + " 5 2 bidirectional=true";
    Sequential all = model_of({text}, {3, 4}), last = model_of({text + " last=true"}, {3, 4});
    EXPECT_EQ(names_of(last.state_dict()), names_of(all.state_dict()));
    const std::vector<double> y = values(all(x)), z = values(last(x));  // (2, 3, 10), (2, 10)
    for (std::size_t n = 0; n < 2; ++n) {
      for (std::size_t k = 0; k < 10; ++k) EXPECT_EQ(z[n * 10 + k], y[(n * 3 + (k < 5 ? 2 : 0)) * 10 + k]) << kind;
    }
  }
  // PyTorch's h_n of the last layer.
  LSTM lstm(4, 5, {.num_layers = 2, .batch_first = true, .bidirectional = true});
  LastState<LSTM> last(4, 5, RecurrentOptions{.num_layers = 2, .batch_first = true, .bidirectional = true});
  init_parameters(lstm, 1);
  init_parameters(last, 1);
  const Tensor h = lstm(x, {}).state.h;  // (4, 2, 5)
  EXPECT_EQ(bits(last(x)), bits(cat({select(h, 0, 2), select(h, 0, 3)}, 1)));
  EXPECT_THROW(LastState<GRU>(4, 5, RecurrentOptions{}), ConfigError);
  EXPECT_THROW(last(kernels::ones({3, 4})), ShapeError);
}

// Such calls would give all steps.
TEST(LastStateLayer, TakesNoStateAndNoPackedSequences) {
  EXPECT_TRUE((std::is_invocable_v<LastState<LSTM>&, const Tensor&>));
  EXPECT_FALSE((std::is_invocable_v<LastState<LSTM>&, const Tensor&, const LSTMState&>));
  EXPECT_FALSE((std::is_invocable_v<LastState<GRU>&, const Tensor&, const Tensor&>));
  EXPECT_FALSE((std::is_invocable_v<LastState<RNN>&, const PackedSequence&>));
  EXPECT_TRUE((std::is_invocable_v<LSTM&, const Tensor&, const LSTMState&>));
}

TEST(TransposeLayer, TurnsTokensIntoChannels) {
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {1, 2, 3});
  EXPECT_THAT(values(model_of({"transpose"}, {2, 3})(x)), ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THROW(TransposeTokens()(kernels::ones({2, 3})), ShapeError);
}

TEST(SpecLayersTable, UpsamplesInTheModeItIsTold) {
  const Tensor x = Tensor::from<float>({0, 2}, {1, 1, 1, 2});
  EXPECT_THAT(values(model_of({"upsample 1x2"}, {1, 1, 2})(x)), ElementsAre(0, 0, 2, 2));
  EXPECT_THAT(values(model_of({"upsample 1x2 mode=bilinear"}, {1, 1, 2})(x)), ElementsAre(0, 0.5, 1.5, 2));
  const std::vector<double> corners = values(model_of({"upsample 1x2 mode=bilinear align_corners=true"}, {1, 1, 2})(x));
  EXPECT_NEAR(corners[1], 2.0 / 3, 1e-6);
}

}  // namespace
}  // namespace hop::nn
