// The script for PyTorch: its size, and a layer of each kind. tests/cli/predict_test.cpp runs it.
#include "nn/torch_script.h"

#include <algorithm>

#include "nn/detail/spec_table.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

Predictor picture_model(ModelDescription description, data::Target target = {.classes = 3}) {
  const Shape sample = {1, 16, 16};
  const data::RowSchema schema{
      .features = {"x", DType::u8, sample}, .scale = data::Scale{0, 1.0 / 255}, .table = {}, .target = target};
  const Output output = target.kind == data::TargetKind::classes ? Output::Scores : Output::Standard;
  return {build_model(description, sample, target.outputs()), schema, output, description};
}

const ModelDescription kEveryLayer{.layers = {"conv2d 4 3x1 padding=1 bias=false",
                                              "batchnorm2d",
                                              "relu",
                                              "max_pool2d 2",
                                              "groupnorm 2",
                                              "leaky_relu 0.2",
                                              "elu 0.7",
                                              "avg_pool2d 2 padding=1",
                                              "silu",
                                              "layernorm",
                                              "dropout 0.1",
                                              "identity",
                                              "global_avg_pool2d",
                                              "gelu approximate=tanh",
                                              "linear 6 bias=false",
                                              "batchnorm1d",
                                              "tanh",
                                              "flatten",
                                              "sigmoid",
                                              "linear $classes",
                                              "softmax"}};

TEST(TorchScript, HasAtMostEightyLinesForAModelOfEveryLayer) {
  const std::string script = torch_script(picture_model(kEveryLayer));
  EXPECT_LE(std::ranges::count(script, '\n'), 80);
  EXPECT_THAT(script, StartsWith(std::string(kTorchScriptMark) + "\n"));
  EXPECT_THAT(script, HasSubstr("nn.Conv2d(1, 4, (3, 1), stride=1, padding=1, dilation=1, groups=1, bias=False)"));
  EXPECT_THAT(script, HasSubstr("(\"19\", nn.Linear(6, 3, bias=True))"));
  EXPECT_THAT(script, Not(HasSubstr("@")));
}

TEST(TorchScript, HasTheOptionsOfWindows) {
  const std::string script = torch_script(picture_model(
      {.layers = {"conv2d 4 3 padding=1 padding_mode=circular", "max_pool2d 3 stride=2 dilation=2x1 ceil_mode=true",
                  "avg_pool2d 2 padding=1 ceil_mode=true count_include_pad=false divisor_override=3", "flatten",
                  "linear 3"}}));
  EXPECT_THAT(script, HasSubstr("groups=1, bias=True, padding_mode=\"circular\")"));
  EXPECT_THAT(script, HasSubstr("nn.MaxPool2d(3, stride=2, padding=0, dilation=(2, 1), ceil_mode=True)"));
  EXPECT_THAT(script, HasSubstr("nn.AvgPool2d(2, stride=2, padding=1, ceil_mode=True, count_include_pad=False, "
                                "divisor_override=3)"));
}

TEST(TorchScript, HasAtMostEightyLinesForCategoriesAsIndices) {
  const data::TableSchema table{
      {{.name = "n", .kind = data::ColumnKind::number},
       {.name = "c", .kind = data::ColumnKind::category, .words = {"a", "b"}, .categories = data::Categories::index}}};
  const data::RowSchema schema{
      .features = {"x", DType::f32, {2}}, .scale = data::Scale{}, .table = table, .target = {.classes = 3}};
  const ModelDescription description{.layers = {"embed 4", "linear 64", "batchnorm1d", "relu", "dropout 0.1",
                                                "linear 64", "batchnorm1d", "relu", "dropout 0.1", "linear 3"}};
  const std::string script =
      torch_script({build_model(description, schema.input(), 3), schema, Output::Scores, description});
  EXPECT_LE(std::ranges::count(script, '\n'), 80);
  EXPECT_THAT(script, HasSubstr("return cell if cell in words else \"\" if cell.lower() in MISSING"))
      << "as RowEncoder: a word of an older import may stand for a missing value today";
  EXPECT_THAT(script, HasSubstr("class Embed(nn.Embedding):"));
  EXPECT_THAT(script, HasSubstr("(\"0\", Embed([2], 4)), (\"1\", nn.Linear(5, 64, bias=True))"));
  EXPECT_THAT(script, Not(HasSubstr("@")));
  EXPECT_THAT(torch_script(picture_model(kEveryLayer)), Not(HasSubstr("Embed")));
}

TEST(TorchScript, LooksUpIndicesThatComeAsFloats) {
  const data::RowSchema schema{
      .features = {"x", DType::i32, {4}}, .scale = data::Scale{}, .table = {}, .target = {.classes = 7}};
  const ModelDescription description{.layers = {"embedding 7 3", "flatten", "linear 7"}};
  const std::string script =
      torch_script({build_model(description, schema.input(), 7), schema, Output::Scores, description});
  EXPECT_LE(std::ranges::count(script, '\n'), 80);
  EXPECT_THAT(script,
              HasSubstr("class Lookup(nn.Embedding):\n    def forward(self, x): return super().forward(x.long())"));
  EXPECT_THAT(script, HasSubstr("(\"0\", Lookup(7, 3)), (\"1\", nn.Flatten()), (\"2\", nn.Linear(12, 7, bias=True)),"));
  EXPECT_THAT(script, Not(HasSubstr("@")));
  EXPECT_THAT(torch_script(picture_model(kEveryLayer)), Not(HasSubstr("Lookup")));
}

TEST(TorchScript, NormalizesByGivenNumbers) {
  const std::string script = torch_script(picture_model({.layers = {"normalize 0.5 0.25", "flatten", "linear 3"}}));
  EXPECT_LE(std::ranges::count(script, '\n'), 80);
  EXPECT_THAT(script, HasSubstr("class Normalize(nn.Module):"));
  EXPECT_THAT(script, HasSubstr("(\"0\", Normalize([0.5], [0.25])), (\"1\", nn.Flatten()), "));
  EXPECT_THAT(script, Not(HasSubstr("@")));
}

TEST(TorchScript, SaysTheRarerOptionsOfNormsAndEmbeddings) {
  const data::RowSchema schema{
      .features = {"x", DType::i32, {4}}, .scale = data::Scale{}, .table = {}, .target = {.classes = 7}};
  const ModelDescription description{.layers = {"embedding 7 3 padding_idx=-1", "flatten",
                                                "batchnorm1d momentum=none bias=false", "layernorm bias=false",
                                                "groupnorm 2 bias=false", "linear 7"}};
  const std::string script =
      torch_script({build_model(description, schema.input(), 7), schema, Output::Scores, description});
  EXPECT_THAT(script, HasSubstr("Lookup(7, 3, padding_idx=-1)"));
  EXPECT_THAT(script, HasSubstr("nn.BatchNorm1d(12, eps=1e-05, momentum=None, affine=True, bias=False)"));
  EXPECT_THAT(script, HasSubstr("nn.LayerNorm(12, eps=1e-05, elementwise_affine=True, bias=False)"));
  EXPECT_THAT(script, HasSubstr("nn.GroupNorm(2, 12, eps=1e-05, affine=True, bias=False)"));
}

TEST(TorchScript, EveryLayerOfASpecHasItsTwin) {
  for (const detail::LayerKind& kind : detail::layer_kinds()) EXPECT_NE(kind.torch, nullptr) << kind.name;
}

TEST(TorchScript, ReadsRowsWithTheSeparatorOfTheTrainingRows) {
  const std::string script = torch_script(picture_model({.family = "lenet"}));
  EXPECT_THAT(script, HasSubstr("SCHEMA.get(\"separator\", \",\")"));
  EXPECT_THAT(script, HasSubstr("csv.reader(file, delimiter=SEPARATOR)"));
}

TEST(TorchScript, KnowsTheFamilies) {
  EXPECT_THAT(torch_script(picture_model({.family = "lenet"})), HasSubstr("(\"conv2\", nn.Conv2d(16, 32, 5"));
  EXPECT_THAT(torch_script(picture_model({.family = "mlp", .config = {{"hidden", "8 4"}}})),
              HasSubstr("(\"3\", nn.Linear(8, 4, bias=True))"));
}

TEST(TorchScript, OfNumbersUndoesTheirScale) {
  const data::Target numbers{.kind = data::TargetKind::numbers, .columns = {{"a", {1, 2}}, {"b", {0, 3}}}};
  EXPECT_THAT(torch_script(picture_model({.layers = {"flatten", "linear 2"}}, numbers)), HasSubstr("targets"));
}

TEST(TorchScript, IsEmptyForAModelThatNobodyDescribed) {
  const Predictor known = picture_model({.layers = {"flatten", "linear 3"}});
  const Predictor own(build_model(known.description(), {1, 16, 16}, 3), known.schema(), Output::Scores);
  EXPECT_THAT(torch_script(own), IsEmpty());
}

}  // namespace
}  // namespace hop::nn
