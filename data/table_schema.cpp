#include "data/table_schema.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/words.h"

namespace hop::data {

std::size_t TableColumn::features() const {
  if (kind == ColumnKind::number) return indicator ? 2 : 1;
  if (is_index()) return 1;
  return kind == ColumnKind::category ? words.size() : 0;
}

std::size_t TableColumn::index_of(std::string_view word) const {
  const auto found =
      std::ranges::lower_bound(words, word, {}, [](const std::string& w) { return std::string_view(w); });
  return found != words.end() && *found == word ? static_cast<std::size_t>(found - words.begin()) + 1 : 0;
}

std::string TableColumn::title() const {
  return std::to_string(place) + (name.empty() ? "" : " \"" + printable(name) + "\"");
}

std::size_t TableSchema::features() const {
  std::size_t sum = 0;
  for (const TableColumn& column : columns) sum += column.features();
  return sum;
}

bool TableSchema::has_weights() const {
  return std::ranges::find(columns, ColumnKind::weight, &TableColumn::kind) != columns.end();
}

std::vector<std::int64_t> TableSchema::index_words() const {
  std::vector<std::int64_t> words;
  for (const TableColumn& column : columns) {
    if (column.is_index()) words.push_back(static_cast<std::int64_t>(column.words.size()));
  }
  return words;
}

std::vector<std::string> TableSchema::feature_names() const {
  std::vector<std::string> names, indices;
  for (const TableColumn& column : columns) {
    const std::string base = column.name.empty() ? "column " + std::to_string(column.place) : column.name;
    if (column.kind == ColumnKind::number) names.push_back(column.name);
    if (column.kind == ColumnKind::number && column.indicator) names.push_back(base + " is missing");
    if (column.is_index()) {
      indices.push_back(base);
    } else {
      for (const std::string& word : column.words) names.push_back(base + "=" + word);
    }
  }
  names.insert(names.end(), indices.begin(), indices.end());
  return names;
}

void TableSchema::encode(std::span<const float> raw, std::span<float> features) const {
  const float* from = raw.data();
  float* to = features.data();
  float* index_to = to + features.size() - std::ranges::count_if(columns, &TableColumn::is_index);
  for (const TableColumn& column : columns) {
    if (column.is_index()) {
      *index_to++ = *from++;
    } else if (column.kind == ColumnKind::category) {
      std::fill_n(to, column.words.size(), 0.0F);
      const auto index = static_cast<std::size_t>(*from++);
      if (index > 0) to[index - 1] = 1;
      to += column.words.size();
    } else if (column.kind == ColumnKind::number) {
      const float value = *from++;
      const bool is_missing = column.fill && std::isnan(value);
      *to++ = is_missing ? static_cast<float>(*column.fill) : value;
      if (column.indicator) *to++ = is_missing ? 1.0F : 0.0F;
    }
  }
}

bool TableSchema::is_plain() const {
  return std::ranges::all_of(columns, [](const TableColumn& column) {
    return column.kind != ColumnKind::category && !column.fill.has_value();
  });
}

Input input_of(const Shape& features, const std::optional<TableSchema>& table) {
  Input input(features);
  if (table) input.words = table->index_words();
  return input;
}

Scaling scale_all(const Scale& scale, const std::optional<TableSchema>& table) {
  const std::size_t indices = table ? table->index_words().size() : 0;
  if (indices == 0) return scale;
  std::vector<FeatureColumn> columns;
  for (std::string& name : table->feature_names()) columns.push_back({std::move(name), scale});
  for (std::size_t i = columns.size() - indices; i < columns.size(); ++i) columns[i].scale = {};
  return Scaling(std::move(columns));
}

}  // namespace hop::data
