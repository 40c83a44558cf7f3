// How the features of a row become numbers: fitted on the training rows and kept in the manifest, so that training,
// validation and prediction use the same numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "data/column_rules.h"
#include "data/schema.h"
#include "data/target.h"

namespace hop::data {

/// One feature of a table.
struct FeatureColumn {
  std::string name = {};  ///< as in the header; "" if there was none
  Scale scale = {};
  bool operator==(const FeatureColumn&) const = default;
};

/// One scale for all elements of a row (the pixels of a picture), or one for each (the columns of a table).
class Scaling {
 public:
  Scaling(Scale all = {}) : all_(all) {}  // NOLINT: a scale is also a scaling
  /// One scale per element of a row, in their order; at least one.
  explicit Scaling(std::vector<FeatureColumn> columns) : columns_(std::move(columns)) {}

  bool is_per_column() const { return !columns_.empty(); }
  const Scale& all() const { return all_; }  ///< if there is one scale for all elements
  const std::vector<FeatureColumn>& columns() const { return columns_; }
  bool operator==(const Scaling&) const = default;

  /// Throws DataError if the number of columns differs from the number of elements of `feature_shape`.
  void check(const Shape& feature_shape) const;

 private:
  Scale all_;
  std::vector<FeatureColumn> columns_;
};

/// Of the finite values of a column, one after the other. Welford's running moments, because sums of large squares
/// would cancel.
struct Moments {
  std::int64_t count = 0;
  double mean = 0, squares = 0, low = 0, high = 0;  ///< squares: of the distances from the mean
  void include(double value);
  /// The values of `later` come after these. (Chan, Golub and LeVeque, 1979.) Equal to one pass up to rounding.
  void include(const Moments& later);
  bool operator==(const Moments&) const = default;
};

/// Fits a scaling, one training row after the other; the result depends on the rows and their order alone.
///   u8 bytes are pictures: [0, 255] -> [0, 1], also if not all values occur
///   other integers stay unchanged: they may be indices
///   floats, rows (columns) each column by its own mean and standard deviation; a constant column becomes 0
///   floats, other shapes    one scale for all elements: the range that occurs -> [0, 1]
class ScalingFit {
 public:
  ScalingFit(DType dtype, const Shape& feature_shape);
  /// False if no row can change the result.
  bool needs_rows() const;
  void include(ByteView features);
  /// The rows that another fit has seen come after these. Throws DataError if they were rows of another kind.
  void include(const std::vector<Moments>& later);
  const std::vector<Moments>& moments() const { return moments_; }
  /// `names`: the columns' names, or empty. `scales`: how each column is scaled; empty: all by ColumnScale::standard.
  Scaling result(const std::vector<std::string>& names, const std::vector<ColumnScale>& scales = {}) const;
  /// The rows were the numbers that models predict, f32 (columns): one name each.
  std::vector<TargetColumn> targets(const std::vector<std::string>& names) const;

 private:
  DType dtype_;
  bool per_column_;
  std::vector<Moments> moments_;  // per column, or low and high of all elements
};

}  // namespace hop::data
