// The rows that a C program has given so far, as the source of a data set.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "capi/dataset_options.h"
#include "capi/hop_c.h"
#include "data/row_store_internal.h"
#include "data/source.h"

namespace hop::capi {

class StoredRows final : public data::RowSource {
 public:
  /// `scratch`: the folder of the file for rows that memory does not hold.
  StoredRows(DatasetOptions options, std::filesystem::path scratch);

  /// Copies the rows, or throws and takes none of them. Throws ShapeError (sizes), DataError (values, disk).
  void append(const hop_rows& rows);

  std::int64_t rows() const override { return store_.rows(); }
  DType feature_dtype() const override { return options_.dtype; }
  Shape feature_shape() const override { return options_.shape; }
  std::int64_t classes() const override { return options_.classes; }
  std::vector<std::string> class_names() const override { return options_.class_names; }
  std::vector<std::string> number_names() const override { return options_.numbers; }
  bool has_weights() const override { return options_.has_weights; }
  std::int64_t read(std::int64_t row, MutableByteView features) const override;
  void read_numbers(std::int64_t row, std::span<float> numbers) const override;
  float read_weight(std::int64_t row) const override;
  void read_many(std::int64_t first, MutableByteView records) const override;

 private:
  // Of a row in the store: features, weight, label, as read_many() gives them.
  void check(const hop_rows& rows) const;
  std::string at(std::int64_t row) const;
  std::vector<std::byte> record(std::int64_t row) const;

  DatasetOptions options_;
  std::size_t feature_bytes_, weight_bytes_, label_bytes_;
  data::RowStore store_;
};

}  // namespace hop::capi
