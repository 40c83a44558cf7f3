// The form of a row: typed columns, and the scaling of features when they are loaded.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace hop::data {

/// The columns of a labelled data set: two, and a third one if its rows have weights.
inline constexpr std::string_view kFeatureColumn = "x";
inline constexpr std::string_view kLabelColumn = "y";
inline constexpr std::string_view kWeightColumn = "w";

/// One typed column of a partition: every row holds `shape.numel()` elements of `dtype`.
struct Column {
  std::string name = {};
  DType dtype = DType::f32;
  Shape shape = {};  ///< of one row: (1, 28, 28) for an image, () for a number

  bool operator==(const Column&) const = default;
  std::size_t row_bytes() const { return static_cast<std::size_t>(shape.numel()) * size_of(dtype); }
};

/// The column of the rows' weights.
inline Column weight_column() { return {std::string(kWeightColumn), DType::f32, {}}; }

/// Features are loaded as f32: y = (x - offset) * factor. {0, 1 / 255} maps a byte to [0, 1]. The formula is computed
/// in scaling_dtype().
struct Scale {
  double offset = 0.0;
  double factor = 1.0;

  bool operator==(const Scale&) const = default;
};

/// f64 for dtypes with values that an f32 rounds: 1,700,000,001 differs from 1,700,000,000 until the offset is gone.
/// Otherwise f32. (Of an i64, only values up to 2^53 are kept whole.)
constexpr DType scaling_dtype(DType stored) {
  return stored == DType::f64 || stored == DType::i64 || stored == DType::i32 ? DType::f64 : DType::f32;
}

}  // namespace hop::data
