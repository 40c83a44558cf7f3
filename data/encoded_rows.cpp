#include <cmath>
#include <cstring>
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
  const MutableByteView bytes = std::as_writable_bytes(std::span(raw));
  const std::int64_t label = rows_.read(row, bytes);
  encode(bytes.data(), features.data());
  return label;
}

void EncodedRows::read_many(std::int64_t first, MutableByteView records) const {
  const std::size_t stride = record_bytes(), raw_stride = rows_.record_bytes(), label = label_bytes();
  std::vector<std::byte> raw(records.size() / stride * raw_stride);
  rows_.read_many(first, raw);
  for (const std::byte* from = raw.data(); !records.empty(); records = records.subspan(stride), from += raw_stride) {
    encode(from, records.data());
    std::memcpy(records.data() + stride - label, from + raw_stride - label, label);
  }
}

// Records may lie anywhere in memory, so their floats are copied.
void EncodedRows::encode(const std::byte* raw, std::byte* features) const {
  const auto next = [&raw] {
    float value = 0;
    std::memcpy(&value, std::exchange(raw, raw + sizeof value), sizeof value);
    return value;
  };
  const auto put = [&features](float value) {
    std::memcpy(std::exchange(features, features + sizeof value), &value, sizeof value);
  };
  for (std::size_t i = 0; i < schema_.columns.size(); ++i) {
    const TableColumn& column = schema_.columns[i];
    if (column.kind == ColumnKind::category) {
      const std::size_t index = index_of_[i][static_cast<std::size_t>(next())];
      for (std::size_t word = 1; word <= column.words.size(); ++word) put(word == index ? 1.0F : 0.0F);
    } else if (column.kind == ColumnKind::number) {
      const float value = next();
      const bool is_missing = column.fill && std::isnan(value);
      put(is_missing ? static_cast<float>(*column.fill) : value);
      if (column.indicator) put(is_missing ? 1.0F : 0.0F);
    }
  }
}

}  // namespace hop::data
