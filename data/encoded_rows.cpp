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
  Scratch scratch;
  encode(bytes.data(), features.data(), scratch);
  return label;
}

void EncodedRows::read_many(std::int64_t first, MutableByteView records) const {
  const std::size_t stride = record_bytes(), raw_stride = rows_.record_bytes(), rest = stride - feature_bytes();
  std::vector<std::byte> raw(records.size() / stride * raw_stride);
  rows_.read_many(first, raw);
  Scratch scratch;
  for (const std::byte* from = raw.data(); !records.empty(); records = records.subspan(stride), from += raw_stride) {
    encode(from, records.data(), scratch);
    std::memcpy(records.data() + stride - rest, from + raw_stride - rest, rest);  // weight and label
  }
}

// Records may lie anywhere in memory, so their floats are copied.
void EncodedRows::encode(const std::byte* raw, std::byte* features, Scratch& scratch) const {
  scratch.raw.resize(static_cast<std::size_t>(rows_.feature_shape().numel()));
  scratch.features.resize(schema_.features());
  std::memcpy(scratch.raw.data(), raw, scratch.raw.size() * sizeof(float));
  std::size_t at = 0;
  for (std::size_t i = 0; i < schema_.columns.size(); ++i) {
    const ColumnKind kind = schema_.columns[i].kind;
    if (kind != ColumnKind::category && kind != ColumnKind::number) continue;
    float& value = scratch.raw[at++];
    if (kind == ColumnKind::category) value = static_cast<float>(index_of_[i][static_cast<std::size_t>(value)]);
  }
  schema_.encode(scratch.raw, scratch.features);
  std::memcpy(features, scratch.features.data(), scratch.features.size() * sizeof(float));
}

}  // namespace hop::data
