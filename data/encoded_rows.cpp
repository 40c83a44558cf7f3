#include <algorithm>
#include <cmath>
#include <utility>

#include "data/encoded_rows_internal.h"

namespace hop::data {

EncodedRows::EncodedRows(const RowSource& rows, TableSchema schema) : rows_(rows), schema_(std::move(schema)) {
  const std::vector<RawColumn> table = rows.table();
  for (std::size_t i = 0; i < table.size(); ++i) {
    std::vector<std::size_t>& places = index_of_.emplace_back();
    if (table[i].kind != ColumnKind::category) continue;
    for (const std::string& word : *table[i].words) places.push_back(schema_.columns[i].index_of(word));
  }
}

std::int64_t EncodedRows::read(std::int64_t row, MutableByteView features) const {
  std::vector<float> raw(static_cast<std::size_t>(rows_.feature_shape().numel()));
  const std::int64_t label = rows_.read(row, std::as_writable_bytes(std::span(raw)));
  auto* to = reinterpret_cast<float*>(features.data());
  const float* from = raw.data();
  for (std::size_t i = 0; i < schema_.columns.size(); ++i) {
    const TableColumn& column = schema_.columns[i];
    if (column.kind == ColumnKind::category) {
      std::fill_n(to, column.words.size(), 0.0F);
      const std::size_t index = index_of_[i][static_cast<std::size_t>(*from++)];
      if (index > 0) to[index - 1] = 1;
      to += column.words.size();
    } else if (column.kind == ColumnKind::number) {
      const float value = *from++;
      const bool is_missing = column.fill && std::isnan(value);
      *to++ = is_missing ? static_cast<float>(*column.fill) : value;
      if (column.indicator) *to++ = is_missing ? 1.0F : 0.0F;
    }
  }
  return label;
}

}  // namespace hop::data
