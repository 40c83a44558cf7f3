// Trained models in C programs: judged by the answers of the library itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "capi/hop_c.h"
#include "hopper/run.h"
#include "kernels/copy.h"
#include "nn/init.h"
#include "nn/predictor_file.h"
#include "tests/temporary_folder.h"

namespace hop {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

hop_model* load(const fs::path& path, std::int64_t id = HOP_BEST) {
  hop_model* model = nullptr;
  EXPECT_EQ(hop_model_load(path.c_str(), id, &model), HOP_OK) << hop_last_error();
  return model;
}

// A table with an age, where a missing one is 40, and a city; a linear model of two classes.
nn::Predictor table_model() {
  const data::TableSchema table{
      {{.name = "age", .place = 0, .kind = data::ColumnKind::number, .fill = 40},
       {.name = "y", .place = 1, .kind = data::ColumnKind::label},
       {.name = "city", .place = 2, .kind = data::ColumnKind::category, .words = {"10", "20"}}}};
  data::RowSchema schema{.features = {"x", DType::f32, {3}},
                         .scale = data::Scaling({{"age", {30, 0.5}}, {"city=10", {}}, {"city=20", {}}}),
                         .table = table,
                         .target = {.classes = 2, .class_names = {"no", "yes"}}};
  const nn::ModelDescription description{.layers = {"linear $classes"}};
  const std::shared_ptr<nn::Module> module = nn::build_model(description, schema.input(), 2);
  nn::init_parameters(*module, 1);
  return {module, std::move(schema), nn::Output::Scores, description};
}

class CModel : public ::testing::Test {
 protected:
  CModel() : own_(table_model()) { nn::save_predictor(own_, folder_ / "m.safetensors"); }
  TemporaryFolder folder_;
  nn::Predictor own_;
};

TEST_F(CModel, AnswersRowsOfTextAsTheLibraryDoes) {
  hop_model* model = load(folder_ / "m.safetensors");
  const char* names[] = {"city", "more", "age"};
  const char* cells[] = {"20", "?", "32", "10", "?", "", "30", "?", "1"};
  float outputs[6] = {};
  std::int64_t classes[3] = {};
  ASSERT_EQ(hop_model_predict_text(model, names, 3, cells, 3, outputs, classes), HOP_OK) << hop_last_error();
  const nn::Predictions expected =
      own_.predict({"city", "more", "age"}, {{"20", "?", "32"}, {"10", "?", ""}, {"30", "?", "1"}});
  for (int i = 0; i < 6; ++i) EXPECT_EQ(outputs[i], expected.outputs.data<float>()[i]);
  EXPECT_THAT(std::vector(classes, classes + 3), expected.classes);
  const Json unseen = Json::parse(hop_model_unseen(model));
  ASSERT_EQ(unseen.size(), 1U);
  EXPECT_EQ(unseen[0]["first"], "30");
  EXPECT_EQ(unseen[0]["rows"], 1);
  hop_model_close(model);
}

TEST_F(CModel, AnswersRowsOfNumbersOfAnyType) {
  hop_model* model = load(folder_ / "m.safetensors");
  const double wide[] = {32, 20, NAN, 10};
  const std::int32_t whole[] = {32, 20, 40, 10};  // 40 stands for a missing age
  float a[4] = {}, b[4] = {};
  ASSERT_EQ(hop_model_predict(model, wide, "f64", 2, 2, a, nullptr), HOP_OK) << hop_last_error();
  ASSERT_EQ(hop_model_predict(model, whole, "i32", 2, 2, b, nullptr), HOP_OK) << hop_last_error();
  EXPECT_THAT(std::vector(a, a + 4), ::testing::ElementsAreArray(b));
  EXPECT_NEAR(a[0] + a[1], 1, 1e-6);
  const unsigned char truths[] = {1, 0}, bytes[] = {255, 0};  // any byte but 0 is true
  ASSERT_EQ(hop_model_predict(model, truths, "bool", 1, 2, a, nullptr), HOP_OK) << hop_last_error();
  ASSERT_EQ(hop_model_predict(model, bytes, "bool", 1, 2, b, nullptr), HOP_OK) << hop_last_error();
  EXPECT_THAT(std::vector(a, a + 2), ::testing::ElementsAreArray(b, 2));
  EXPECT_EQ(hop_model_predict(model, wide, "f16", 2, 2, a, nullptr), HOP_ERROR_ARGUMENT);
  EXPECT_EQ(hop_model_predict(model, wide, "f64", 1, 3, a, nullptr), HOP_ERROR_ARGUMENT);
  EXPECT_THAT(hop_last_error(), HasSubstr("expected rows of 2 numbers, got 3"));
  EXPECT_EQ(hop_model_predict(model, nullptr, "f64", 0, 2, nullptr, nullptr), HOP_OK) << "no rows, no answers";
  hop_model_close(model);
}

// Rows are answered batch by batch; their numbers count on.
TEST_F(CModel, NamesTheRowThatIsWrong) {
  hop_model* model = load(folder_ / "m.safetensors");
  std::vector<float> rows(2 * 3000, 10);
  rows[2 * 2500] = std::numeric_limits<float>::infinity();
  std::vector<float> outputs(2 * 3000);
  EXPECT_EQ(hop_model_predict(model, rows.data(), "f32", 3000, 2, outputs.data(), nullptr), HOP_ERROR_DATA);
  EXPECT_THAT(hop_last_error(), HasSubstr("row 2500"));
  const char* names[] = {"age"};
  const char* cells[] = {"1"};
  EXPECT_EQ(hop_model_predict_text(model, names, 1, cells, 1, outputs.data(), nullptr), HOP_ERROR_DATA);
  EXPECT_THAT(hop_last_error(), HasSubstr("\"city\""));
  hop_model_close(model);
}

TEST_F(CModel, DescribesWhatItTakesAndAnswers) {
  hop_model* model = load(folder_ / "m.safetensors");
  const Json told = Json::parse(hop_model_describe(model));
  EXPECT_EQ(told["kind"], "class");
  EXPECT_EQ(told["outputs"], 2);
  EXPECT_THAT(told["class_names"], ElementsAre("no", "yes"));
  EXPECT_THAT(told["columns"], ElementsAre("age", "city"));
  EXPECT_EQ(told["column_count"], 2);
  EXPECT_EQ(told["schema"], Json::parse(data::to_json(own_.schema())));
  EXPECT_FALSE(told.contains("id")) << "an exported file is of no run";
  hop_model_close(model);
}

TEST_F(CModel, SaysWhatIsNoModel) {
  hop_model* model = nullptr;
  EXPECT_EQ(hop_model_load((folder_ / "none.safetensors").c_str(), HOP_BEST, &model), HOP_ERROR_STATE);
  EXPECT_EQ(model, nullptr);
  EXPECT_EQ(hop_model_load(folder_.path().c_str(), HOP_BEST, &model), HOP_ERROR_CONFIG) << "a folder without a run";
  EXPECT_EQ(hop_model_load((folder_ / "m.safetensors").c_str(), 3, &model), HOP_ERROR_CONFIG);
  EXPECT_EQ(hop_model_load((folder_ / "x.hop").c_str(), HOP_BEST, &model), HOP_ERROR_CONFIG);
  EXPECT_THAT(hop_last_error(), HasSubstr("RUN_DIR/models/ID.hop"));
  EXPECT_EQ(hop_model_load(nullptr, HOP_BEST, &model), HOP_ERROR_ARGUMENT);
  EXPECT_EQ(hop_model_load("x", HOP_BEST, nullptr), HOP_ERROR_ARGUMENT);
  EXPECT_STREQ(hop_model_describe(nullptr), "");
  hop_model_close(nullptr);
}

TEST_F(CModel, OfARunIsItsBestTheOneOfAnIdOrAFile) {
  std::vector<float> points;
  std::vector<std::int64_t> labels;
  for (int i = 0; i < 200; ++i) {
    labels.push_back(i % 2);
    points.push_back(std::sin(static_cast<float>(i)) + static_cast<float>(2 * (i % 2)));
    points.push_back(std::cos(static_cast<float>(i)));
  }
  hop_writer* writer = nullptr;
  ASSERT_EQ(hop_writer_open((folder_ / "data").c_str(), R"({"shape": [2], "classes": 2, "partitions": 2})", &writer),
            HOP_OK);
  const hop_rows rows{.count = 200,
                      .features = points.data(),
                      .feature_bytes = points.size() * sizeof(float),
                      .labels = labels.data(),
                      .label_bytes = labels.size() * sizeof(std::int64_t),
                      .weights = nullptr};
  ASSERT_EQ(hop_writer_append(writer, &rows), HOP_OK);
  ASSERT_EQ(hop_writer_finish(writer, nullptr), HOP_OK) << hop_last_error();
  hop_writer_close(writer);

  hopper::Experiment experiment;
  experiment.name = "c";
  experiment.data.source = folder_ / "data";
  experiment.model.layers = {"linear 4", "tanh", "linear 2"};
  experiment.model.optimizer = "adam";
  experiment.search.epochs = 2;
  experiment.search.space = {{"lr", hopper::Choices{0.05, 0.00001}}};
  const hopper::RunResult run = hopper::run(experiment, {.run_directory = folder_ / "run"});
  ASSERT_TRUE(run.results.best);
  const auto best = run.results.best->value;

  const Tensor input = Tensor::from<float>(points, {200, 2});
  for (const fs::path& path : {folder_ / "run", folder_ / "run/models" / (std::to_string(best) + ".hop")}) {
    hop_model* model = load(path);
    std::vector<float> outputs(400);
    std::vector<std::int64_t> classes(200);
    ASSERT_EQ(hop_model_predict(model, points.data(), "f32", 200, 2, outputs.data(), classes.data()), HOP_OK);
    const nn::Predictions expected = run.best().predict(input);
    EXPECT_EQ(classes, expected.classes);
    EXPECT_TRUE(std::equal(outputs.begin(), outputs.end(), expected.outputs.data<float>()));
    const Json told = Json::parse(hop_model_describe(model));
    EXPECT_EQ(told["id"], best);
    EXPECT_EQ(told["config"]["lr"], run.results.model(*run.results.best).config.number("lr"));
    hop_model_close(model);
  }
  hop_model* other = load(folder_ / "run", 1 - static_cast<std::int64_t>(best));
  EXPECT_EQ(Json::parse(hop_model_describe(other))["id"], 1 - best);
  hop_model_close(other);
  hop_model* none = nullptr;
  EXPECT_EQ(hop_model_load((folder_ / "run").c_str(), 7, &none), HOP_ERROR_CONFIG);
}

}  // namespace
}  // namespace hop
