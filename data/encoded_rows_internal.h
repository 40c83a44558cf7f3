// The rows of a table as features.
#pragma once

#include <cstdint>
#include <vector>

#include "data/source.h"
#include "data/table_schema.h"

namespace hop::data {

/// The rows of a table with its schema applied: f32, schema.features() of them.
class EncodedRows final : public RowSource {
 public:
  /// `rows` must outlive this object.
  EncodedRows(const RowSource& rows, TableSchema schema);
  std::int64_t rows() const override { return rows_.rows(); }
  DType feature_dtype() const override { return DType::f32; }
  Shape feature_shape() const override { return {static_cast<std::int64_t>(schema_.features())}; }
  std::int64_t classes() const override { return rows_.classes(); }
  std::vector<std::string> class_names() const override { return rows_.class_names(); }
  std::vector<std::string> number_names() const override { return rows_.number_names(); }
  void read_numbers(std::int64_t row, std::span<float> numbers) const override { rows_.read_numbers(row, numbers); }
  bool has_weights() const override { return rows_.has_weights(); }
  float read_weight(std::int64_t row) const override { return rows_.read_weight(row); }
  std::vector<std::string> feature_names() const override { return schema_.feature_names(); }
  std::int64_t read(std::int64_t row, MutableByteView features) const override;
  void read_many(std::int64_t first, MutableByteView records) const override;

 private:
  struct Scratch {
    std::vector<float> raw = {}, features = {};
  };
  void encode(const std::byte* raw, std::byte* features, Scratch& scratch) const;

  const RowSource& rows_;
  TableSchema schema_;
  std::vector<std::vector<std::size_t>> index_of_;  // per column: place of a word in the source -> index_of(word)
};

}  // namespace hop::data
