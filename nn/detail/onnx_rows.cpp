#include "nn/detail/onnx_rows.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "base/words.h"
#include "data/formats/csv_cells.h"
#include "kernels/copy.h"

namespace hop::nn::detail {
namespace {

using data::ColumnKind;
using data::TableColumn;

// Parts (N, ..) side by side.
OnnxValue join(OnnxModel& model, const std::vector<OnnxValue>& parts) {
  return parts.size() == 1 ? parts[0] : model.node("Concat", parts, {{"axis", std::int64_t{1}}});
}

OnnxValue cast(OnnxModel& model, const OnnxValue& x, DType dtype) {
  return model.node("Cast", {x}, {{"to", static_cast<std::int64_t>(onnx_type(dtype))}});
}

// ---- words

// "na" in lower and upper case and all between: is_missing() asks for no case.
void append_spellings(std::string_view word, std::vector<std::string>& spellings) {
  const auto letters = std::ranges::count_if(word, [](unsigned char c) { return std::isalpha(c) != 0; });
  for (unsigned upper = 0; upper < 1U << letters; ++upper) {
    std::string spelling(word);
    unsigned letter = 0;
    for (char& c : spelling) {
      if (std::isalpha(static_cast<unsigned char>(c)) == 0) continue;
      if (((upper >> letter++) & 1U) != 0) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    spellings.push_back(std::move(spelling));
  }
}

// All that category_word() takes for a word. Of a whole number, 3, also 3.0: but not 3.00 and 3e0, which no library
// writes.
std::vector<std::string> spellings_of(const std::string& word) {
  std::vector<std::string> spellings;
  if (word.empty()) {
    for (const std::string_view missing : data::missing_words()) append_spellings(missing, spellings);
  } else {
    spellings.push_back(word);
    if (data::category_word(word + ".0") == word) spellings.push_back(word + ".0");
  }
  return spellings;
}

// The index of TableColumn::index_of(): i64 (N, 1).
OnnxValue index_of(OnnxModel& model, const TableColumn& column, const OnnxValue& words) {
  std::vector<std::string> keys;
  std::vector<std::int64_t> indices;
  for (const std::string& word : column.words) {
    for (std::string& spelling : spellings_of(word)) {
      if (spelling != word && column.index_of(spelling) > 0) continue;  // a word of its own, as RowEncoder takes it
      keys.push_back(std::move(spelling));
      indices.push_back(static_cast<std::int64_t>(column.index_of(word)));
    }
  }
  return model.node("LabelEncoder", {words},
                    {{"keys_strings", keys}, {"values_int64s", indices}, {"default_int64", std::int64_t{0}}});
}

// f32 (N, words): 1 where the index is that of the word.
OnnxValue one_hot(OnnxModel& model, const TableColumn& column, const OnnxValue& words) {
  std::vector<std::int64_t> indices(column.words.size());
  std::iota(indices.begin(), indices.end(), 1);
  const OnnxValue index = index_of(model, column, words);
  return cast(model, model.node("Equal", {index, model.integers(indices)}), DType::f32);
}

// ---- rows

// Features f32 (N, ..) before they are scaled.
struct Raw {
  OnnxValue features;
  bool has_floats;  // whether an input can be NaN or infinite
};

using Columns = std::vector<const TableColumn*>;

Columns inputs_of(const data::TableSchema& table) {
  Columns columns;
  for (const TableColumn& column : table.columns) {
    if (column.kind == ColumnKind::number || column.kind == ColumnKind::category) columns.push_back(&column);
  }
  return columns;
}

bool is_number(const TableColumn* column) { return column->kind == ColumnKind::number; }

struct TableInputs {
  OnnxValue numbers = {};             // f32 (N, numbers); empty if there are none
  std::vector<OnnxValue> words = {};  // (N, 1) each
};

TableInputs add_inputs(OnnxModel& model, const Columns& columns) {
  if (std::ranges::all_of(columns, is_number)) {
    return {.numbers = model.input("rows", OnnxType::f32, {static_cast<std::int64_t>(columns.size())})};
  }
  TableInputs inputs;
  std::vector<OnnxValue> numbers;
  for (const TableColumn* column : columns) {
    const std::string name =
        column->name.empty() ? "column_" + std::to_string(column->place) : printable(column->name, column->name.size());
    if (is_number(column)) {
      numbers.push_back(model.input(name, OnnxType::f32, {1}));
    } else {
      inputs.words.push_back(model.input(name, OnnxType::text, {1}));
    }
  }
  if (!numbers.empty()) inputs.numbers = join(model, numbers);
  return inputs;
}

// (numbers): what stands for a missing value of each; NaN where one is an error.
OnnxValue fills_of(OnnxModel& model, const Columns& columns) {
  std::vector<float> fills;
  for (const TableColumn* column : columns) {
    if (!is_number(column)) continue;
    fills.push_back(column->fill ? static_cast<float>(*column->fill) : std::numeric_limits<float>::quiet_NaN());
  }
  return model.tensor("fills", Tensor::from(std::span<const float>(fills), {static_cast<std::int64_t>(fills.size())}));
}

// The features in the order of their columns, by their places in the blocks of table_rows().
std::vector<std::int64_t> places_of(const Columns& columns, bool has_indicators) {
  const auto numbers = static_cast<std::int64_t>(std::ranges::count_if(columns, is_number));
  std::int64_t number = 0, word = has_indicators ? 2 * numbers : numbers;
  std::vector<std::int64_t> places, indices;
  for (const TableColumn* column : columns) {
    if (column->is_index()) {
      indices.push_back(word++);  // behind all others
      continue;
    }
    for (std::size_t i = 0; i < column->words.size(); ++i) places.push_back(word++);
    if (!is_number(column)) continue;
    places.push_back(number);
    if (column->indicator) places.push_back(numbers + number);
    ++number;
  }
  places.insert(places.end(), indices.begin(), indices.end());
  return places;
}

// As TableSchema::encode(). Blocks stand side by side: the numbers, whether each is missing, the words of each
// category, or the index of its word.
Raw table_rows(OnnxModel& model, const data::TableSchema& table) {
  const Columns columns = inputs_of(table);
  const TableInputs inputs = add_inputs(model, columns);
  const bool has_indicators = std::ranges::any_of(columns, &TableColumn::indicator);
  std::vector<OnnxValue> blocks;
  if (std::ranges::any_of(columns, [](const TableColumn* column) { return column->fill.has_value(); })) {
    const OnnxValue missing = model.node("IsNaN", {inputs.numbers});
    blocks.push_back(model.node("Where", {missing, fills_of(model, columns), inputs.numbers}));
    if (has_indicators) blocks.push_back(cast(model, missing, DType::f32));
  } else if (!inputs.numbers.empty()) {
    blocks.push_back(inputs.numbers);
  }
  std::size_t category = 0;
  for (const TableColumn* column : columns) {
    if (is_number(column)) continue;
    const OnnxValue& words = inputs.words[category++];
    blocks.push_back(column->is_index() ? cast(model, index_of(model, *column, words), DType::f32)
                                        : one_hot(model, *column, words));
  }
  const OnnxValue joined = join(model, blocks);
  const std::vector<std::int64_t> places = places_of(columns, has_indicators);
  const bool in_order = !has_indicators && std::ranges::is_sorted(places);
  return {in_order ? joined : model.node("Gather", {joined, model.integers(places)}, {{"axis", std::int64_t{1}}}),
          !inputs.numbers.empty()};
}

Raw other_rows(OnnxModel& model, const data::Column& features) {
  const bool is_image = features.shape.size() == 3;
  return {model.input(is_image ? "images" : "rows", onnx_type(features.dtype), features.shape),
          is_floating(features.dtype)};
}

// As RowScaling: (x - offset) * factor.
OnnxValue scaled(OnnxModel& model, OnnxValue x, const data::Scaling& scaling, const Shape& shape, DType dtype) {
  if (!scaling.is_per_column() && scaling.all() == data::Scale{}) return x;
  const auto constant = [&](const char* name, double data::Scale::*part) {
    std::vector<double> values;
    for (const data::FeatureColumn& column : scaling.columns()) values.push_back(column.scale.*part);
    if (!scaling.is_per_column()) values.push_back(scaling.all().*part);
    const Tensor wide = Tensor::from(std::span<const double>(values), scaling.is_per_column() ? shape : Shape{});
    return model.tensor(name, kernels::cast(wide, dtype));
  };
  x = model.node("Sub", {x, constant("offset", &data::Scale::offset)});
  return model.node("Mul", {x, constant("factor", &data::Scale::factor)});
}

}  // namespace

OnnxRows add_onnx_rows(OnnxModel& model, const data::RowSchema& schema) {
  const data::Column& column = schema.features;
  const Raw raw = schema.table ? table_rows(model, *schema.table) : other_rows(model, column);
  const DType stored = schema.table ? DType::f32 : column.dtype;
  const DType dtype = schema.table ? DType::f32 : data::scaling_dtype(column.dtype);
  OnnxValue x = stored == dtype ? raw.features : cast(model, raw.features, dtype);
  x = scaled(model, x, schema.scale, column.shape, dtype);
  OnnxRows rows{.features = dtype == DType::f32 ? x : cast(model, x, DType::f32), .refused = {}};
  if (!raw.has_floats) return rows;
  // x - x is 0 for a number.
  const OnnxValue flat = model.node("Flatten", {rows.features});
  rows.refused = model.node("ReduceSum", {model.node("Sub", {flat, flat}), model.integers({1})});
  return rows;
}

}  // namespace hop::nn::detail
