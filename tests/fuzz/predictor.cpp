// Exported models (nn/predictor_file.h): a safetensors file whose metadata say what the model is, what its rows mean
// and what it answers.
#include "nn/init.h"
#include "nn/predictor_file.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

constexpr std::int64_t kMostInputs = 1024;  // of a row that is answered here

// A row of zeros.
void answer(nn::Predictor& predictor) {
  const std::int64_t inputs = predictor.schema().features.shape.numel(), outputs = predictor.target().outputs();
  if (inputs > kMostInputs) return;
  const Tensor row = Tensor::empty({1, inputs}, DType::f32);
  std::fill_n(row.data<float>(), inputs, 0.0F);
  const nn::Predictions answers = predictor.predict_encoded(row);
  require(answers.outputs.shape() == Shape{1, outputs}, "a row gets each of its answers");
  for (const std::int64_t index : answers.classes) (void)predictor.class_name(index);
}

void run(ByteView input) {
  nn::Predictor predictor = nn::load_predictor(file("model.safetensors", input));
  const nn::SafetensorsMetadata metadata = nn::metadata_of(predictor);
  nn::save_predictor(predictor, folder() / "again.safetensors");
  require(nn::metadata_of(nn::load_predictor(folder() / "again.safetensors")) == metadata,
          "a model that was read is the same after another trip");
  for (std::int64_t index = 0; index < std::min<std::int64_t>(predictor.target().classes, 100); ++index) {
    (void)predictor.class_name(index);
  }
  answer(predictor);
}

std::string exported(const nn::ModelDescription& description, const data::RowSchema& schema, nn::Output output) {
  const auto module = nn::build_model(description, schema.input(), schema.target.outputs());
  nn::init_parameters(*module, 1);
  nn::save_predictor({module, schema, output, description}, folder() / "seed.safetensors", {{"run", "runs/toy"}});
  return read(folder() / "seed.safetensors");
}

data::RowSchema table() {
  using enum data::ColumnKind;
  return {.features = {"x", DType::f32, {4}},
          .scale = data::Scaling({{"age", {30, 0.5}}, {"city=Bonn", {}}, {"city=Kiel", {}}, {"street", {}}}),
          .table = data::TableSchema{{{.name = "age", .place = 0, .kind = number, .fill = 40},
                                      {.name = "y", .place = 1, .kind = label},
                                      {.name = "city", .place = 2, .kind = category, .words = {"Bonn", "Kiel"}},
                                      {.name = "street",
                                       .place = 3,
                                       .kind = category,
                                       .words = {"high", "low"},
                                       .categories = data::Categories::index}}},
          .target = {.classes = 2, .class_names = {"no", "yes"}}};
}

data::RowSchema numbers() {
  return {.features = {"x", DType::f32, {3}},
          .scale = data::Scale{1, 0.5},
          .table = {},
          .target = {.kind = data::TargetKind::numbers, .columns = {{"pay", {1000, 0.01}, 0, 5000}}}};
}

data::RowSchema pictures() {
  return {.features = {"x", DType::u8, {1, 8, 8}},
          .scale = data::Scale{0, 1.0 / 255},
          .table = {},
          .target = {.classes = 3}};
}

std::vector<std::string> seeds() {
  return {exported({.layers = {"embed 2", "linear 3", "relu", "linear $classes"}}, table(), nn::Output::Scores),
          exported({.family = "mlp", .config = {{"hidden", "4"}}}, numbers(), nn::Output::Standard),
          exported({.layers = {"conv2d 2 3", "batchnorm2d", "relu", "flatten", "linear 3"}}, pictures(),
                   nn::Output::Scores)};
}

}  // namespace

constinit const Target kPredictor{"predictor", run, seeds, repair_safetensors};

}  // namespace hop::fuzz
