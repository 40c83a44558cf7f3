// The source of rows before they are partitioned: the interface that every reader of a format implements.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "data/column_rules.h"
#include "data/target.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/tensor.h"

namespace hop::data {

/// A column of a table before anything is fitted to it.
struct RawColumn {
  std::string name = {};   ///< as in the header; "" if there was none
  std::int64_t place = 0;  ///< in a record of the training rows, from 0
  ColumnKind kind = ColumnKind::number;
  ColumnScale scale = ColumnScale::standard;
  MissingValues missing = MissingValues::error;
  bool has_missing = false;  ///< numbers: some row has none, in the training or the test rows
  std::shared_ptr<const std::vector<std::string>> words = {};  ///< categories
  Categories categories = Categories::one_hot;                 ///< categories: how the words become features
};

/// Labelled rows, readable in any order. A label is a class, or one number or several: then a source has
/// number_names(), and read() returns 0.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual std::int64_t rows() const = 0;
  virtual DType feature_dtype() const = 0;
  virtual Shape feature_shape() const = 0;   ///< of one row
  virtual std::int64_t classes() const = 0;  ///< 0 if labels are numbers
  /// Empty, or one name per class.
  virtual std::vector<std::string> class_names() const { return {}; }
  /// Empty if labels are classes. Otherwise one name per number of a label; "" without a header.
  virtual std::vector<std::string> number_names() const { return {}; }
  /// Empty, or one name per feature of a row: the columns of a table.
  virtual std::vector<std::string> feature_names() const { return {}; }
  /// Empty, or all columns of a table in the order of its file. Its rows are f32, one per column that is a number or a
  /// category: the number, NaN for a missing one; the place of the word in `words`.
  virtual std::vector<RawColumn> table() const { return {}; }
  /// Copies the features of row 0 <= row < rows() to `features` (feature_shape().numel() elements) and returns its
  /// label, which is in 0 .. classes() - 1. Throws DataError if the source is damaged.
  virtual std::int64_t read(std::int64_t row, MutableByteView features) const = 0;
  /// Copies the numbers of a row's label: number_names().size() of them.
  virtual void read_numbers(std::int64_t row, std::span<float> numbers) const;
  /// Whether each row has a weight.
  virtual bool has_weights() const { return false; }
  /// How much a row counts, a finite number of 0 or more.
  virtual float read_weight(std::int64_t /*row*/) const { return 1; }
  /// Copies as many rows as fit in `records`, from `first` on: each as its features, its weight (f32) if there is one,
  /// and its label (i64, or the numbers as f32), side by side. Data sets are written by it. A source whose rows are
  /// faster one after the other overrides it.
  virtual void read_many(std::int64_t first, MutableByteView records) const;
  std::size_t feature_bytes() const;  ///< of a row in read_many()
  std::size_t weight_bytes() const;   ///< 0 without weights
  std::size_t label_bytes() const;
  std::size_t record_bytes() const;  ///< features, weight and label
};

class MappedFile;

/// Hears from time to time what an import does and which share of it is done, 0 to 1.
using OnProgress = std::function<void(std::string_view what, double share)>;

/// A file that rows were read from, for the manifest.
struct SourceFile {
  std::string name = {};  ///< without its folder
  std::uint64_t bytes = 0;
  Digest digest = {};  ///< XXH3-128 of the file; zero if an older manifest does not have it
  bool operator==(const SourceFile&) const = default;
};

/// The manifest's entry for a file.
SourceFile source_file(const MappedFile& file);

/// A whole data set in its original form: the training rows, and the source's own test rows if it has some.
struct RawData {
  std::string format{};  ///< a name of the table of formats, or "glyphs", "rows", "tensors"
  std::unique_ptr<RowSource> train{};
  std::unique_ptr<RowSource> test{};    ///< null if the source has none
  std::vector<SourceFile> files{};      ///< empty for data that came from no file
  std::vector<std::string> notes = {};  ///< the reader's guesses (a header, a label), a line each
  char separator = ',';                 ///< of a table: between the cells of its file
  bool rows_overlap = false;            ///< neighbouring rows share values, so random rows measure nothing new
};

/// Rows of tensors in memory: features (N, ...) of any dtype, contiguous; labels (N), i64, 0 .. classes - 1.
/// Throws ShapeError, DtypeError or DataError when they do not fit together.
std::unique_ptr<RowSource> tensor_source(Tensor features, Tensor labels, std::int64_t classes,
                                         std::vector<std::string> class_names = {});
/// The same with numbers to predict: f32 (N) or (N, k), finite. `names`: one for each of k; or empty.
std::unique_ptr<RowSource> tensor_source(Tensor features, Tensor numbers, std::vector<std::string> names = {});

}  // namespace hop::data
