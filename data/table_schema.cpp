#include "data/table_schema.h"

#include <algorithm>
#include <cmath>

#include "base/words.h"

namespace hop::data {

std::size_t TableColumn::features() const {
  if (kind == ColumnKind::number) return indicator ? 2 : 1;
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

std::vector<std::string> TableSchema::feature_names() const {
  std::vector<std::string> names;
  for (const TableColumn& column : columns) {
    const std::string base = column.name.empty() ? "column " + std::to_string(column.place) : column.name;
    if (column.kind == ColumnKind::number) names.push_back(column.name);
    if (column.kind == ColumnKind::number && column.indicator) names.push_back(base + " is missing");
    for (const std::string& word : column.words) names.push_back(base + "=" + word);
  }
  return names;
}

void TableSchema::encode(std::span<const float> raw, std::span<float> features) const {
  const float* from = raw.data();
  float* to = features.data();
  for (const TableColumn& column : columns) {
    if (column.kind == ColumnKind::category) {
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

}  // namespace hop::data
