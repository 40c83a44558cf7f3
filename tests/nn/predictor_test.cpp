// Raw rows in, answers out: judged by the same numbers put through the module by hand, and by what a file gives back.
#include "nn/predictor.h"

#include <limits>

#include "nn/init.h"
#include "nn/predictor_file.h"
#include "tensor/allocator.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// age (scaled, a missing one is 40), city (Bonn, Kiel).
data::RowSchema table_schema(data::Target target) {
  const data::TableSchema table{
      {{.name = "age", .place = 0, .kind = data::ColumnKind::number, .fill = 40},
       {.name = "y", .place = 1, .kind = data::ColumnKind::label},
       {.name = "city", .place = 2, .kind = data::ColumnKind::category, .words = {"Bonn", "Kiel"}}}};
  return {.features = {"x", DType::f32, {3}},
          .scale = data::Scaling({{"age", {30, 0.5}}, {"city=Bonn", {}}, {"city=Kiel", {}}}),
          .table = table,
          .target = std::move(target)};
}

const data::Target kClasses{.classes = 2, .class_names = {"no", "yes"}};
const ModelDescription kLinear{.layers = {"linear $classes"}};

// A linear model: output k = sum_j weight[k][j] input_j.
std::shared_ptr<Module> linear(std::initializer_list<float> weight, std::int64_t outputs) {
  const auto module = build_model(kLinear, {3}, outputs);
  const Tensor w = Tensor::empty({outputs, 3}, DType::f32);
  std::copy(weight.begin(), weight.end(), w.data<float>());
  module->load_state_dict({{"0.weight", w}, {"0.bias", kernels::zeros({outputs}, DType::f32)}});
  return module;
}

Tensor rows_of(const std::vector<double>& numbers, std::int64_t columns) {
  const Tensor rows = Tensor::empty({static_cast<std::int64_t>(numbers.size()) / columns, columns}, DType::f64);
  std::copy(numbers.begin(), numbers.end(), rows.data<double>());
  return rows;
}

TEST(Predictor, AnswersRowsOfTextWithClassesAndProbabilities) {
  Predictor predictor(linear({0, 0, 0, 1, 2, 3}, 2), table_schema(kClasses), Output::Scores);
  const Predictions answers = predictor.predict({"city", "more", "age"}, {{"Kiel", "?", "32"}, {"Bonn", "?", "20"}});
  EXPECT_THAT(answers.classes, ElementsAre(1, 0));
  EXPECT_EQ(predictor.class_name(answers.classes[0]), "yes");
  // (32 - 30) 0.5 + 3 = 4 for Kiel; (20 - 30) 0.5 + 2 = -3 for Bonn
  EXPECT_NEAR(answers.outputs.data<float>()[1], 1 / (1 + std::exp(-4.0)), 1e-6);
  EXPECT_NEAR(answers.outputs.data<float>()[3], 1 / (1 + std::exp(3.0)), 1e-6);
}

TEST(Predictor, AnswersNumbersInTheUnitOfTheTrainingRows) {
  const data::Target pay{.kind = data::TargetKind::numbers, .columns = {{"pay", {1000, 0.01}}}};
  Predictor predictor(linear({1, 0, 1}, 1), table_schema(pay), Output::Standard);
  const Predictions answers = predictor.predict({"age", "city"}, {{"", "Kiel"}, {"30", "Ulm"}});
  EXPECT_TRUE(answers.classes.empty());
  EXPECT_EQ(answers.outputs.shape(), (Shape{2, 1}));
  EXPECT_THAT(values(answers.outputs), ElementsAre(1000 + 600, 1000)) << "(40 - 30) 0.5 + 1 = 6, / 0.01";
}

TEST(Predictor, AnswersAsTheLossMeansTheOutputs) {
  const data::Target count{.kind = data::TargetKind::numbers, .columns = {{"n", {}}}};
  const std::vector<std::vector<std::string>> row = {{"34", "Ulm"}};
  const auto answer = [&](Output output) {
    Predictor predictor(linear({1, 0, 0}, 1), table_schema(count), output);
    return values(predictor.predict({"age", "city"}, row).outputs)[0];
  };
  EXPECT_EQ(answer(Output::Plain), 2);
  EXPECT_NEAR(answer(Output::LogRate), std::exp(2.0), 1e-5);
  EXPECT_NEAR(answer(Output::Logit), 1 / (1 + std::exp(-2.0)), 1e-6);
}

TEST(Predictor, TakesPicturesAndFlatRowsOfAnyDtype) {
  const data::RowSchema schema{.features = {"x", DType::u8, {1, 2, 2}},
                               .scale = data::Scale{0, 1.0 / 255},
                               .table = {},
                               .target = {.classes = 2}};
  const auto module = build_model({.layers = {"flatten", "linear 2"}}, {1, 2, 2}, 2);
  init_parameters(*module, 3);
  Predictor predictor(module, schema, Output::Scores);
  const Tensor flat = rows_of({0, 51, 102, 255, 1, 2, 3, 4}, 4);
  const Tensor expected = predictor.predict(flat).outputs;
  const Tensor bytes = kernels::cast(flat, DType::u8);
  EXPECT_EQ(bits(predictor.predict(reshape(bytes, {2, 1, 2, 2})).outputs), bits(expected));
  EXPECT_EQ(bits(predictor.predict(kernels::cast(flat, DType::f32)).outputs), bits(expected));
  EXPECT_EQ(bits(expected),
            bits(softmax((*module)(reshape(mul(kernels::cast(flat, DType::f32), 1.0 / 255), {2, 1, 2, 2})))));
  EXPECT_EQ(predictor.class_name(1), "1");
  EXPECT_THROW(predictor.predict(rows_of({1, 2, 3}, 3)), ShapeError);
}

TEST(Predictor, AnswersManyRowsAsItAnswersEach) {
  Predictor predictor(linear({0.5F, 1, 2, -1, 0, 1}, 2), table_schema(kClasses), Output::Scores);
  std::vector<std::vector<std::string>> rows;
  for (int i = 0; i < 700; ++i) rows.push_back({std::to_string(i % 90), i % 3 == 0 ? "Kiel" : "Bonn"});
  const Predictions all = predictor.predict({"age", "city"}, rows);
  ASSERT_EQ(all.classes.size(), 700U);
  for (const std::size_t i : {0U, 255U, 256U, 699U}) {
    const Predictions one = predictor.predict({"age", "city"}, {rows[i]});
    EXPECT_NEAR(all.outputs.data<float>()[2 * i], one.outputs.data<float>()[0], 1e-6) << i;
    EXPECT_EQ(all.classes[i], one.classes[0]) << i;
  }
}

TEST(Predictor, NamesTheRowOfACellThatCannotBeRead) {
  Predictor predictor(linear({0, 0, 0, 1, 2, 3}, 2), table_schema(kClasses), Output::Scores);
  EXPECT_THAT(
      [&] {
        predictor.predict({"age", "city"}, {{"1", "Bonn"}, {"old", "Bonn"}});
      },
      ThrowsMessage<DataError>(HasSubstr("row 1, column \"age\"")));
}

// ---- files

TEST(PredictorFile, GivesBackAPredictorOfTheSameBits) {
  const ::hop::TemporaryFolder folder;
  Predictor before(linear({0.3F, -1, 2, 1, 2, 3}, 2), table_schema(kClasses), Output::Scores, kLinear);
  save_predictor(before, folder / "m.safetensors", {{"config", "{\"lr\": 0.1}"}});
  Predictor after = load_predictor(folder / "m.safetensors");
  EXPECT_EQ(after.schema(), before.schema());
  EXPECT_EQ(after.output(), Output::Scores);
  const std::vector<std::vector<std::string>> rows = {{"32", "Kiel"}, {"7", "Bonn"}};
  EXPECT_EQ(bits(after.predict({"age", "city"}, rows).outputs), bits(before.predict({"age", "city"}, rows).outputs));
  const SafetensorsMetadata metadata = load_safetensors(folder / "m.safetensors").metadata;
  EXPECT_EQ(metadata.at("format"), "pt");
  EXPECT_EQ(metadata.at("classes"), "[\"no\",\"yes\"]");
  EXPECT_EQ(metadata.at("layers"), "[\"linear 2\"]");
  EXPECT_EQ(metadata.at("config"), "{\"lr\": 0.1}");
  EXPECT_TRUE(metadata.contains("hopscotch"));
}

TEST(PredictorFile, RefusesFilesThatDoNotHoldTogether) {
  const ::hop::TemporaryFolder folder;
  const auto path = folder / "m.safetensors";
  Predictor predictor(linear({0, 0, 0, 1, 2, 3}, 2), table_schema(kClasses), Output::Scores, kLinear);
  const auto refusal = [&](const char* key, const std::string& value) {
    SafetensorsMetadata metadata = metadata_of(predictor);
    metadata[key] = value;
    if (value.empty()) metadata.erase(key);
    save(predictor.module(), path, metadata);
    return message_of<StateError>([&] { load_predictor(path); });
  };
  EXPECT_THAT(refusal("schema", ""), HasSubstr("expected a file of `hop export`"));
  EXPECT_THAT(refusal("schema", "{"), HasSubstr("m.safetensors"));
  EXPECT_THAT(refusal("output", "log"), HasSubstr("log"));
  EXPECT_THAT(refusal("model", "layer linear 3\n"), HasSubstr("expected the last layer to give (2)"));
  EXPECT_THAT(refusal("model", "layer linear 5\nlayer linear 2\n"), HasSubstr("expected shape (5, 3) for 0.weight"));
  EXPECT_THAT(refusal("model", "layer linear 999999999\nlayer linear 2\n"), HasSubstr("bytes of parameters"));
}

// A few bytes of text, and gigabytes of weights.
TEST(PredictorFile, IsRefusedBeforeItsModelTakesMoreMemoryThanItsTensors) {
  const ::hop::TemporaryFolder folder;
  const auto path = folder / "m.safetensors";
  Predictor predictor(linear({0, 0, 0, 1, 2, 3}, 2), table_schema(kClasses), Output::Scores, kLinear);
  const std::size_t before = ::hop::memory::peak();
  const auto many = [](const std::string& layer) {  // 32 MB of the first layer, 16 MB of the last, 8 MB for a vector
    std::string model = "layer linear 2000000\n";
    for (int i = 0; i < 4; ++i) model += "layer " + layer + "\n";
    return model + "layer linear 2\n";
  };
  for (const std::string& model :
       {std::string("layer linear 50000\nlayer linear 50000\nlayer linear 2\n"),
        std::string("family vae\nhidden = 60000\nlatent = 60000\n"), many("layernorm"), many("rmsnorm"),
        many("batchnorm1d"), many("prelu 2000000"), many("unflatten 2000000,1,1\nlayer groupnorm 2\nlayer flatten"),
        many("unflatten 1000000,2,1\nlayer instancenorm2d affine=true track_running_stats=true\nlayer flatten")}) {
    SCOPED_TRACE(model);
    SafetensorsMetadata metadata = metadata_of(predictor);
    metadata["model"] = model;
    save(predictor.module(), path, metadata);
    EXPECT_THAT(message_of<StateError>([&] { load_predictor(path); }),
                HasSubstr("expected a description of at most 67108928 bytes of weights"));
  }
  EXPECT_LT(::hop::memory::peak() - before, std::size_t{256} << 20);
  EXPECT_NO_THROW(build_model({.layers = {"linear 5000", "linear 5000", "linear 2"}}, {3}, 2))
      << "no bound is left over";
}

}  // namespace
}  // namespace hop::nn
