// Rows that a trained model answers (`hop predict`). A line: what the model was trained on, and whether there is a
// header. Then the table.
#include <cmath>

#include "cli/scores.h"
#include "data/formats/csv_rows.h"
#include "kernels/view.h"
#include "nn/init.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

using enum data::ColumnKind;

data::RowSchema table() {
  return {.features = {"x", DType::f32, {5}},
          .scale = data::Scaling(
              {{"age", {30, 0.5}}, {"age is missing", {}}, {"city=", {}}, {"city=Bonn", {}}, {"street", {}}}),
          .table = data::TableSchema{{{.name = "age", .place = 0, .kind = number, .fill = 40, .indicator = true},
                                      {.name = "kind", .place = 1, .kind = label},
                                      {.name = "city", .place = 2, .kind = category, .words = {"", "Bonn"}},
                                      {.name = "note", .place = 3, .kind = ignored},
                                      {.name = "street",
                                       .place = 4,
                                       .kind = category,
                                       .words = {"high", "low"},
                                       .categories = data::Categories::index}},
                                     ';'},
          .target = {.classes = 2, .class_names = {"no", "yes"}}};
}

data::RowSchema without_names() {
  return {
      .features = {"x", DType::f32, {2}},
      .scale = data::Scale{},
      .table =
          data::TableSchema{{{.place = 0, .kind = number}, {.place = 1, .kind = number}, {.place = 2, .kind = label}}},
      .target = {.kind = data::TargetKind::numbers, .columns = {{"pay", {1000, 0.01}, 0, 5000}}}};
}

data::RowSchema pictures() {
  return {.features = {"x", DType::u8, {1, 2, 2}},
          .scale = data::Scale{0, 1.0 / 255},
          .table = {},
          .target = {.classes = 3}};
}

nn::Predictor predictor_of(data::RowSchema schema) {
  const nn::ModelDescription description{
      .layers = {schema.table && !schema.table->index_words().empty() ? "embed 2" : "flatten", "linear $outputs"}};
  const auto module = nn::build_model(description, schema.input(), schema.target.outputs());
  nn::init_parameters(*module, 1);
  const bool is_number = schema.target.kind == data::TargetKind::numbers;
  return {module, std::move(schema), is_number ? nn::Output::Standard : nn::Output::Scores, description};
}

nn::Predictor& predictor(char kind) {
  static nn::Predictor of_table = predictor_of(table()), plain = predictor_of(without_names()),
                       of_pictures = predictor_of(pictures());
  return kind == 'p' ? of_pictures : kind == 'n' ? plain : of_table;
}

void run(ByteView input) {
  const std::string_view text = as_text(input), first = text.substr(0, text.find('\n'));
  nn::Predictor& model = predictor(first.empty() ? 't' : first[0]);
  std::optional<bool> header;
  if (first.size() > 1) header = first[1] == 'h';

  data::RowEncoder encoder(model.schema());
  data::CsvRows rows(file("rows.csv", input.subspan(std::min(first.size() + 1, input.size()))), encoder, header);
  cli::Scores scores(model);
  const Tensor encoded = Tensor::empty({1, encoder.inputs()}, DType::f32);
  const std::span numbers(encoded.data<float>(), static_cast<std::size_t>(encoder.inputs()));
  std::vector<std::string_view> cells, labels;
  while (rows.next(cells)) {
    encoder.encode(cells, rows.place(), numbers);
    for (const float number : numbers) require(std::isfinite(number), "a model gets finite numbers");
    const nn::Predictions answers = model.predict_encoded(encoded);
    if (encoder.labels().empty()) continue;
    labels.clear();
    for (const std::size_t place : encoder.labels()) labels.push_back(cells[place]);
    scores.take(labels);
    scores.measure(answers);
  }
  require(scores.text().find('\x1b') == std::string::npos, "no text reaches a terminal as it is");
}

}  // namespace

constinit const Target kRows{"rows", run};

}  // namespace hop::fuzz
