// Layers that hold layers, and layers of tokens: their text, their errors, their shapes, and that a residual network
// and a Transformer travel as text, also to PyTorch and to ONNX. (tests/cli runs what is exported.)
#include <algorithm>

#include "autograd/ops.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/onnx_export.h"
#include "nn/spec.h"
#include "nn/torch_script.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Layers = std::vector<std::string>;

const Layers kResNet = {"conv2d 4 3 padding=1 bias=false",
                        "batchnorm2d",
                        "relu",
                        "residual { conv2d 4 3 padding=1; batchnorm2d; relu; conv2d 4 3 padding=1; batchnorm2d }",
                        "relu",
                        "residual { conv2d 8 3 stride=2 padding=1; batchnorm2d } { conv2d 8 1 stride=2; batchnorm2d }",
                        "relu",
                        "global_avg_pool2d",
                        "linear $outputs"};

const Layers kTransformer = {"embedding 11 8",
                             "positional_embedding",
                             "residual { layernorm; attention 2 causal=true; dropout 0.1 }",
                             "residual { layernorm; linear 32; gelu; linear 8; dropout 0.1 }",
                             "layernorm",
                             "last_token",
                             "linear $outputs"};

std::string canonical(const std::string& text) { return parse_spec(Layers{text})[0].to_text(); }

std::string error_of(const Layers& layers, const Shape& sample = {4, 6, 6}) {
  return message_of<ConfigError>([&] { plan_spec(parse_spec(layers), sample); });
}

// ---- text

TEST(SpecBranches, HaveOneCanonicalText) {
  EXPECT_EQ(canonical("residual{relu;conv2d 4  3 padding=1x1}"), "residual { relu; conv2d 4 3 padding=1 }");
  EXPECT_EQ(canonical(" residual  { relu }\t{ identity ; identity } "), "residual { relu } { identity; identity }");
  EXPECT_EQ(canonical("residual { residual { relu } { tanh }; gelu }"),
            "residual { residual { relu } { tanh }; gelu }");
  EXPECT_EQ(canonical("attention 4 false dropout=0.0"), "attention 4");
  for (const Layers& layers : {kResNet, kTransformer}) {
    for (const std::string& text : layers) {
      if (text.find('$') != std::string::npos) continue;
      EXPECT_EQ(canonical(text), text);
      const LayerSpec layer = parse_spec(Layers{text})[0];
      EXPECT_EQ(parse_spec(Layers{layer.to_text()})[0], layer);
    }
  }
}

TEST(SpecBranches, TravelInADescription) {
  const ModelDescription description{.layers = kResNet};
  const std::string text = description.to_text(3);
  EXPECT_THAT(text, HasSubstr("layer residual { conv2d 8 3 stride=2 padding=1; batchnorm2d } { conv2d 8 1 stride=2; "
                              "batchnorm2d }\n"));
  EXPECT_EQ(ModelDescription::from_text(text).to_text(3), text);
  const ModelDescription values{.layers = {"residual { linear $width; relu; linear 6 }"}, .config = {{"width", "9"}}};
  EXPECT_EQ(values.to_text(6), "layer residual { linear 9; relu; linear 6 }\n");
}

// ---- errors

TEST(SpecBranches, ErrorsNameTheBranchAndItsLayer) {
  EXPECT_EQ(
      error_of({"relu", "residual { relu; rellu }"}),
      "[spec] layer 1 \"residual { relu; rellu }\": in branch 0, layer 1 \"rellu\": expected the name of a layer, "
      "got \"rellu\"; did you mean \"relu\"?");
  EXPECT_EQ(error_of({"residual { relu } { conv2d 4 9 }"}).substr(0, 84),
            "[spec] layer 0 \"residual { relu } { conv2d 4 9 }\": in branch 1, layer 0 \"conv2d 4 9\"");
  EXPECT_EQ(error_of({"residual { residual { linear 3 } }"}),
            "[spec] layer 0 \"residual { residual { linear 3 } }\": in branch 0, layer 0 \"residual { linear 3 }\": in "
            "branch 0, layer 0 \"linear 3\": expected a flat input (put \"flatten\" before it), got (4, 6, 6)");
}

TEST(SpecBranches, SayWhatIsWrongWithBraces) {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"residual", "expected a branch: residual { LAYERS }"},
      {"residual { relu", "expected a } for each {"},
      {"residual { relu } }", "expected { or the end, got \"}\""},
      {"residual { relu } relu", "expected { or the end, got \"relu\""},
      {"residual }", "expected { or the end, got \"}\""},
      {"residual { }", "in branch 0, layer 0 \"\": expected the name of a layer, got nothing"},
      {"residual { relu; }", "in branch 0, layer 1 \"\": expected the name of a layer, got nothing"},
      {"residual { relu } { relu } { relu }", "expected 1 or 2 branches { LAYERS }, got 3"},
      {"relu { tanh }", "relu has no branches, got 1"},
      {"{ relu }", "expected the name of a layer, got nothing"},
      {"residual { residual { residual { residual { residual { relu } } } } }",
       "expected at most 4 branches in each other"},
  };
  for (const auto& [text, expected] : table) EXPECT_THAT(error_of({text}), HasSubstr(expected)) << text;
}

TEST(SpecBranches, AreSumsOfOneShape) {
  EXPECT_EQ(error_of({"residual { conv2d 8 3 padding=1 }"}),
            "[spec] layer 0 \"residual { conv2d 8 3 padding=1 }\": expected layers that keep the shape (4, 6, 6), or a "
            "second branch { LAYERS } that changes it as they do, got (8, 6, 6)");
  EXPECT_EQ(error_of({"residual { conv2d 8 3 } { conv2d 8 1 }"}),
            "[spec] layer 0 \"residual { conv2d 8 3 } { conv2d 8 1 }\": expected one shape from both branches, got (8, "
            "4, 4) and (8, 6, 6)");
}

TEST(SpecBranches, CountInTheLimits) {
  EXPECT_THAT(message_of<ConfigError>([] {
                parse_spec(Layers{"relu", "residual { relu; relu }"}, {.layers = 3});
              }),
              HasSubstr("expected at most 3 layers"));
  EXPECT_NO_THROW(parse_spec(Layers{"relu", "residual { relu; relu }"}, {.layers = 4}));
  EXPECT_THAT(message_of<ConfigError>(
                  [] { plan_spec(parse_spec(Layers{"residual { linear 10 }"}), {10}, {.parameter_bytes = 439}); }),
              HasSubstr("expected at most 439 bytes of parameters up to here, got 440"));
  EXPECT_THROW(plan_spec(std::vector<LayerSpec>{{"residual", {}}}, {4}), ConfigError);
  EXPECT_THROW(plan_spec(std::vector<LayerSpec>{{"relu", {}, {{}}}}, {4}), ConfigError);
}

// ---- models

TEST(SpecBranches, BuildTheSumOfTheirLayers) {
  Sequential model = build_spec(parse_spec(Layers{"residual { linear 3; tanh } { linear 3 bias=false }"}), {5});
  EXPECT_THAT(names_of(model.state_dict()), ElementsAre("0.body.0.weight", "0.body.0.bias", "0.shortcut.0.weight"));
  init_parameters(model, 1);
  const StateDict state = model.state_dict();
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 5}, {1, 5});
  const Tensor expected = tanh(linear(x, state[0].tensor, state[1].tensor)) + linear(x, state[2].tensor);
  EXPECT_EQ(bits(model(x)), bits(expected));
}

TEST(SpecBranches, PlanWhatTheyReallyDo) {
  const std::vector<std::pair<Layers, Shape>> cases = {
      {kResNet, {3, 8, 8}},
      {{"residual { residual { conv2d 6 1 } { conv2d 6 1 bias=false }; relu } { conv2d 6 1 }"}, {2, 3, 3}},
      {{"conv2d 8 4 stride=4", "image_tokens", "positional_embedding", "attention 4", "linear 6 bias=false",
        "token_mean"},
       {3, 8, 12}},
      {kTransformer, {5}},
  };
  for (const auto& [texts, sample] : cases) {
    const ModelDescription description{.layers = texts};
    std::vector<std::string> layers;
    for (const NamedLayer& layer : layers_of(description, sample, 3)) layers.push_back(layer.text);
    const SpecPlan plan = plan_spec(parse_spec(layers), sample);
    Sequential built = build_spec(parse_spec(layers), sample);
    init_parameters(built, 1);
    built.set_random_key(1);
    Shape batch{2}, expected{2};
    for (const std::int64_t size : sample) batch.push_back(size);
    for (const std::int64_t size : plan.shapes.back()) expected.push_back(size);
    const Tensor y = built(kernels::ones(batch));
    EXPECT_EQ(y.shape(), expected) << texts[0];
    for (const double value : values(y)) EXPECT_TRUE(std::isfinite(value)) << texts[0];
    std::uint64_t bytes = 0;
    for (const auto& [name, tensor] : built.state_dict())
      bytes += static_cast<std::uint64_t>(tensor.numel()) * size_of(tensor.dtype());
    EXPECT_EQ(bytes, plan.parameter_bytes) << texts[0];
  }
}

// A token that is later does not change what is said of the ones before.
TEST(Attention, IsCausalIfItIsAsked) {
  for (const bool causal : {false, true}) {
    Sequential model = build_spec(parse_spec(Layers{causal ? "attention 2 causal=true" : "attention 2"}), Shape{3, 4});
    init_parameters(model, 1);
    const Tensor x = kernels::ones({1, 3, 4}), other = kernels::clone(x);
    for (int i = 0; i < 4; ++i) other.data<float>()[8 + i] = static_cast<float>(i);
    const std::string first = bits(select(model(x), 1, 0)), changed = bits(select(model(other), 1, 0));
    EXPECT_EQ(first == changed, causal);
  }
}

TEST(TokenLayers, SayWhatIsWrong) {
  EXPECT_THAT(error_of({"attention 3"}), HasSubstr("expected tokens (T, E), got (4, 6, 6)"));
  EXPECT_THAT(error_of({"attention 4"}, {5, 6}), HasSubstr("whose size the heads divide, got 6 for 4 heads"));
  EXPECT_THAT(error_of({"last_token"}, {5}), HasSubstr("expected tokens (T, E), got (5)"));
  EXPECT_THAT(error_of({"image_tokens"}, {5}), HasSubstr("expected an image (C, H, W), got (5)"));
  EXPECT_THROW(TokenMean()(kernels::ones({2, 3})), ShapeError);
  EXPECT_THROW(LastToken()(kernels::ones({2, 0, 3})), ShapeError);
  EXPECT_THROW(ImageTokens()(kernels::ones({2, 3, 4})), ShapeError);
  EXPECT_THROW(PositionalEmbedding(3, 4)(kernels::ones({2, 4, 4})), ShapeError);
  EXPECT_THROW(PositionalEmbedding(0, 4), ConfigError);
  EXPECT_THROW(SelfAttention(4, 3), ConfigError);
  EXPECT_THROW(Residual(Sequential(Linear(2, 3)))(kernels::ones({1, 2})), ShapeError);
}

// ---- to PyTorch and to ONNX

Predictor predictor_of(const Layers& layers, const data::Column& features) {
  const data::RowSchema schema{.features = features, .scale = data::Scale{}, .table = {}, .target = {.classes = 3}};
  const ModelDescription description{.layers = layers};
  const auto module = build_model(description, features.shape, 3);
  init_parameters(*module, 1);
  return {module, schema, Output::Scores, description};
}

TEST(SpecBranches, StandInTheScriptForPyTorch) {
  const std::string script = torch_script(predictor_of(kResNet, {"x", DType::u8, {1, 8, 8}}));
  EXPECT_LE(std::ranges::count(script, '\n'), 90);
  EXPECT_THAT(script, AllOf(HasSubstr("class Residual(nn.Module):"), Not(HasSubstr("class Attention")),
                            HasSubstr("(\"5\", Residual(nn.Sequential(nn.Conv2d(4, 8, 3, stride=2, padding=1, "
                                      "dilation=1, groups=1, bias=True), nn.BatchNorm2d(8, eps=1e-05, momentum=0.1, "
                                      "affine=True)), nn.Sequential(nn.Conv2d(4, 8, 1, stride=2, ")));
  const std::string text = torch_script(predictor_of(kTransformer, {"x", DType::i32, {5}}));
  EXPECT_LE(std::ranges::count(text, '\n'), 105);
  EXPECT_THAT(text, AllOf(HasSubstr("class Lookup(nn.Embedding):"), HasSubstr("class Attention("),
                          HasSubstr("class Positions("), HasSubstr("class Tokens("), HasSubstr("class Residual("),
                          HasSubstr("Attention(8, 2, causal=True)"), HasSubstr("nn.Linear(8, 32, bias=True)"),
                          HasSubstr("Tokens(\"last\")"), Not(HasSubstr("@"))));
}

TEST(SpecBranches, StandInOnnxWithAllTheirWeights) {
  for (const Predictor& predictor :
       {predictor_of(kResNet, {"x", DType::u8, {1, 8, 8}}), predictor_of(kTransformer, {"x", DType::i32, {5}})}) {
    const std::string bytes = encode_onnx(predictor).bytes;
    for (const NamedTensor& entry : predictor.module().state_dict()) {
      if (entry.tensor.dtype() == DType::i64) continue;  // num_batches_tracked
      EXPECT_THAT(bytes, HasSubstr(entry.name));
      EXPECT_THAT(bytes, HasSubstr(bits(entry.tensor))) << entry.name;
    }
  }
}

}  // namespace
}  // namespace hop::nn
