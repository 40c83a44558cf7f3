// New rows as the input of a model: the same numbers that the import and the loader made of the training rows.
//
//   RowEncoder encoder(schema);
//   encoder.match_names(header, "rows.csv, line 1");
//   for (..) encoder.encode(cells, {"rows.csv", "line", 7}, input);
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/row_scaling.h"
#include "data/row_schema.h"

namespace hop::data {

/// Where a row stands, for messages: "rows.csv, line 7".
struct RowPlace {
  std::string_view source = "rows";
  std::string_view unit = "row";
  std::int64_t number = 0;
};

/// A word of a category that no training row has. It is 0 in all features of its column.
struct UnseenWords {
  std::string column{};
  std::string first{};
  std::int64_t rows = 0;
};

class RowEncoder {
 public:
  using Cells = std::span<const std::string_view>;

  explicit RowEncoder(RowSchema schema);
  const RowSchema& schema() const { return schema_; }
  /// Elements of the input of a row.
  std::int64_t inputs() const { return schema_.features.shape.numel(); }
  /// Columns that become input. (An image has one per pixel.)
  std::size_t columns() const { return sources_.size(); }

  /// Whether a first record is names: it has the label's name or most names of the training rows, or is made of words
  /// where numbers belong.
  bool is_header(Cells record) const;
  /// The columns of the rows to come, by their names in any order. If the training rows had no names, by their places.
  /// Throws DataError that names the missing columns and `where`.
  void match_names(Cells names, const std::string& where);
  /// The columns of the rows to come, by their places: all columns as in the training rows, all without labels and
  /// weights, or those alone that become input.
  void match_places(std::size_t width, const std::string& where);
  /// Columns of the rows that the training rows do not have, or did not use.
  const std::vector<std::string>& ignored() const { return ignored_; }
  /// The places of the label columns in the rows, in the order of the training rows; empty if one is not there.
  const std::vector<std::size_t>& labels() const { return labels_; }

  /// A row of cells, of the columns that were matched; without a match, of those alone that become input. `input` has
  /// inputs() elements. Throws DataError that names the row and the column.
  void encode(Cells cells, const RowPlace& place, std::span<float> input);
  /// A row of numbers, one for each of columns(), in their order; NaN for a missing one. A category takes numbers if
  /// its words are numbers.
  void encode(std::span<const double> numbers, const RowPlace& place, std::span<float> input);

  /// Of all rows so far, a line per column that had some.
  std::vector<UnseenWords> unseen() const;

 private:
  struct Source {
    TableColumn column{};
    std::size_t place = 0;     // in a record
    bool has_numbers = false;  // a category, some words of which are numbers, and none a code with leading zeros
    UnseenWords unseen{};
  };

  std::vector<std::string> names_of(ColumnKind kind) const;
  void take(const Source& source, std::string_view word, std::size_t at);
  double missing(const Source& source, std::string_view cell, const RowPlace& place) const;
  void finish(std::span<float> input);

  RowSchema schema_;
  TableSchema table_;  // the schema's; of other data one number per element
  RowScaling scaling_;
  bool has_names_ = false;
  std::size_t width_ = 0;        // of a record
  std::vector<Source> sources_;  // numbers and categories, in the order of the training rows
  std::vector<std::size_t> labels_;
  std::vector<std::string> ignored_;
  std::vector<double> raw_;  // per source
  std::vector<float> narrow_, features_;
};

}  // namespace hop::data
