// hop_model_*: a trained model answers the rows of a C program.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "capi/guard.h"
#include "capi/hop_c.h"
#include "data/row_encoder.h"
#include "hopper/run.h"
#include "nn/predictor.h"
#include "nn/predictor_file.h"

namespace hop::capi {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr std::int64_t kBatch = 1024;  // rows in memory between the caller's and the model

struct Loaded {
  nn::Predictor predictor;
  Json facts = Json::object();  // of a model of a run
};

}  // namespace
}  // namespace hop::capi

struct hop_model {
  hop_model(hop::nn::Predictor given, std::string words)
      : predictor(std::move(given)), encoder(predictor.schema()), description(std::move(words)) {}

  hop::nn::Predictor predictor;
  hop::data::RowEncoder encoder;  // of rows of text: it counts their unseen words
  std::string description, unseen;
};

namespace hop::capi {
namespace {

Loaded from_run(const fs::path& directory, std::optional<ModelId> id, std::optional<hopper::StateFile> which) {
  const hopper::Results results = hopper::inspect(directory);
  const ModelId model = id ? *id : hopper::best_model(results);
  const hopper::Config& config = results.model(model).config;
  return {hopper::load_predictor(directory, model, {}, which),
          {{"id", model.value}, {"config", Json::parse(config.to_json())}}};
}

// RUN_DIR/models/3.hop and 3.best.hop
Loaded from_model_file(const fs::path& file) {
  const std::string name = file.filename().string();
  std::uint32_t id = 0;
  const auto read = std::from_chars(name.data(), name.data() + name.size(), id);
  const std::string_view end(read.ptr, static_cast<std::size_t>(name.data() + name.size() - read.ptr));
  const bool is_best = end == ".best.hop";
  const fs::path folder = fs::absolute(file).parent_path();
  if (read.ec != std::errc{} || (!is_best && end != ".hop") || folder.filename() != "models") {
    throw ConfigError("[model] expected RUN_DIR/models/ID.hop, a run directory or a .safetensors file, got " +
                      file.string());
  }
  return from_run(folder.parent_path(), ModelId(id), is_best ? hopper::StateFile::Best : hopper::StateFile::Last);
}

Loaded load(const fs::path& path, std::int64_t id) {
  if (fs::is_directory(path)) {
    const fs::path run = without_trailing_slash(path);
    if (id == HOP_BEST) return from_run(run, std::nullopt, std::nullopt);
    if (std::in_range<std::uint32_t>(id)) return from_run(run, ModelId(static_cast<std::uint32_t>(id)), std::nullopt);
    throw ConfigError("[model] expected the id of a model, got " + std::to_string(id));
  }
  if (id != HOP_BEST) throw ConfigError("[model] id: expected a run directory, got the file " + path.string());
  if (path.extension() == ".hop") return from_model_file(path);
  return {nn::load_predictor(path)};
}

Json columns_of(const data::RowSchema& schema) {
  Json names = Json::array();
  if (!schema.table) return names;
  for (const data::TableColumn& column : schema.table->columns) {
    const bool is_input = column.kind == data::ColumnKind::number || column.kind == data::ColumnKind::category;
    if (is_input) names.push_back(column.name);
  }
  return names;
}

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

std::string describe(const Loaded& loaded) {
  const data::RowSchema& schema = loaded.predictor.schema();
  const data::Target& target = schema.target;
  Json numbers = Json::array();
  for (const data::TargetColumn& column : target.columns) numbers.push_back(column.name);
  Json json = {{"kind", data::name(target.kind)},
               {"outputs", target.outputs()},
               {"class_names", target.class_names},
               {"numbers", numbers},
               {"columns", columns_of(schema)},
               {"column_count", data::RowEncoder(schema).columns()},
               {"shape", std::vector<std::int64_t>(schema.features.shape.begin(), schema.features.shape.end())},
               {"model", loaded.predictor.description().to_text(target.outputs())},
               {"schema", Json::parse(data::to_json(schema))}};
  json.update(loaded.facts);
  return line_of(json);
}

void check_rows(hop_model* model, const void* rows, std::int64_t count, std::int64_t columns, const float* outputs) {
  require(model, "a model");
  if (count < 0 || columns < 0) {
    throw ShapeError("[predict] expected rows (N, columns), got " + std::to_string(count) + " rows and " +
                     std::to_string(columns) + " columns");
  }
  if (count == 0) return;
  require(rows, "rows");
  require(outputs, "a place for the outputs");
}

// Where the answers of the caller's rows go.
class Answers {
 public:
  Answers(float* outputs, std::int64_t* classes) : outputs_(outputs), classes_(classes) {}
  void take(const nn::Predictions& part) {
    const auto numbers = static_cast<std::size_t>(part.outputs.numel());
    outputs_ = std::copy_n(part.outputs.data<float>(), numbers, outputs_);
    if (classes_ != nullptr) classes_ = std::copy(part.classes.begin(), part.classes.end(), classes_);
  }

 private:
  float* outputs_;
  std::int64_t* classes_;
};

// Encodes `count` rows batch by batch and answers them. `encode(row, input)` fills the input of a row.
template <class Encode>
void answer(hop_model& model, std::int64_t count, Answers answers, Encode encode) {
  const auto width = static_cast<std::size_t>(model.encoder.inputs());
  for (std::int64_t first = 0; first < count; first += kBatch) {
    const std::int64_t some = std::min(kBatch, count - first);
    const Tensor inputs = Tensor::empty({some, model.encoder.inputs()}, DType::f32);
    for (std::int64_t i = 0; i < some; ++i) {
      encode(first + i, std::span<float>(inputs.data<float>() + static_cast<std::size_t>(i) * width, width));
    }
    answers.take(model.predictor.predict_encoded(inputs));
  }
}

void predict_numbers(hop_model& model, const std::byte* rows, DType dtype, std::int64_t count, std::int64_t columns,
                     Answers answers) {
  if (count > 0 && std::cmp_not_equal(columns, model.encoder.columns())) {
    throw ShapeError("[predict] expected rows of " + std::to_string(model.encoder.columns()) + " numbers, got " +
                     std::to_string(columns));
  }
  std::vector<double> numbers(model.encoder.columns());
  visit_dtype(dtype, [&]<class T>(T) {
    constexpr bool kIsTruth = std::is_same_v<T, bool>;  // of which the caller's byte need not be 0 or 1
    answer(model, count, answers, [&](std::int64_t row, std::span<float> input) {
      const std::byte* at = rows + static_cast<std::size_t>(row) * numbers.size() * sizeof(T);
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        std::conditional_t<kIsTruth, std::uint8_t, T> value{};
        std::memcpy(&value, at + i * sizeof(T), sizeof value);  // the caller's memory need not be aligned
        numbers[i] = kIsTruth ? (value != 0 ? 1 : 0) : static_cast<double>(value);
      }
      model.encoder.encode(numbers, {.number = row}, input);
    });
  });
}

std::string_view cell(const char* text) { return text != nullptr ? std::string_view(text) : std::string_view(); }

void predict_text(hop_model& model, const char* const* cells, std::int64_t count, std::int64_t columns,
                  Answers answers) {
  std::vector<std::string_view> words(static_cast<std::size_t>(columns));
  answer(model, count, answers, [&](std::int64_t row, std::span<float> input) {
    const char* const* at = cells + row * columns;
    std::transform(at, at + columns, words.begin(), cell);
    model.encoder.encode(words, {.number = row}, input);
  });
}

}  // namespace
}  // namespace hop::capi

hop_status hop_model_load(const char* path, int64_t id, hop_model** model) {
  return hop::capi::guarded([&] {
    hop::capi::require(model, "a place for the model");
    *model = nullptr;
    hop::capi::require(path, "a path");
    hop::capi::Loaded loaded = hop::capi::load(path, id);
    std::string description = hop::capi::describe(loaded);
    *model = new hop_model(std::move(loaded.predictor), std::move(description));
  });
}

const char* hop_model_describe(const hop_model* model) { return model == nullptr ? "" : model->description.c_str(); }

hop_status hop_model_predict(hop_model* model, const void* rows, const char* dtype, int64_t count, int64_t columns,
                             float* outputs, int64_t* classes) {
  return hop::capi::guarded([&] {
    hop::capi::check_rows(model, rows, count, columns, outputs);
    hop::capi::require(dtype, "a dtype");
    const hop::DType kind = hop::dtype_from_name(dtype);
    hop::capi::predict_numbers(*model, static_cast<const std::byte*>(rows), kind, count, columns, {outputs, classes});
  });
}

hop_status hop_model_predict_text(hop_model* model, const char* const* names, int64_t columns, const char* const* cells,
                                  int64_t count, float* outputs, int64_t* classes) {
  return hop::capi::guarded([&] {
    hop::capi::check_rows(model, cells, count, columns, outputs);
    if (names != nullptr) {
      std::vector<std::string_view> words(static_cast<std::size_t>(columns));
      std::transform(names, names + columns, words.begin(), hop::capi::cell);
      model->encoder.match_names(words, "rows");
    } else {
      model->encoder.match_places(static_cast<std::size_t>(columns), "rows");
    }
    hop::capi::predict_text(*model, cells, count, columns, {outputs, classes});
  });
}

const char* hop_model_unseen(hop_model* model) {
  const hop_status status = hop::capi::guarded([&] {
    hop::capi::require(model, "a model");
    hop::capi::Json list = hop::capi::Json::array();
    for (const hop::data::UnseenWords& word : model->encoder.unseen()) {
      list.push_back({{"column", word.column}, {"first", word.first}, {"rows", word.rows}});
    }
    model->unseen = hop::capi::line_of(list);
  });
  return status == HOP_OK ? model->unseen.c_str() : "[]";
}

void hop_model_close(hop_model* model) { delete model; }
