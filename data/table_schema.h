// The meaning of the columns of a table, and the rule that turns a record into features: fitted on the training rows
// alone, kept in the manifest. The scaling of the features is separate: Scaling in columns.h.
//
// The features of a row stand in the order of their columns, but indices of words stand behind all others. So a model
// finds its numbers and its indices as two slices of a row.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/column_rules.h"
#include "data/columns.h"
#include "data/input.h"

namespace hop::data {

/// With more words than this, a category must be an index: a feature per word would be more than a model can use.
inline constexpr std::size_t kMostOneHot = 64;

/// One column of a table.
struct TableColumn {
  std::string name = {};   ///< as in the header; "" if there was none
  std::int64_t place = 0;  ///< in a record of the training rows, from 0
  ColumnKind kind = ColumnKind::number;
  std::optional<double> fill = {};      ///< number: stands for a missing value; none: a missing value is an error
  bool indicator = false;               ///< number: a second feature is 1 where the value is missing
  std::vector<std::string> words = {};  ///< category: of the training rows, in the order of their bytes; "" is missing
  Categories categories = Categories::one_hot;  ///< category: how the words become features

  bool operator==(const TableColumn&) const = default;
  bool is_index() const { return kind == ColumnKind::category && categories == Categories::index; }
  std::size_t features() const;
  /// The place of a category in a dictionary: 1 + its place in `words`; 0 for a word that no training row has.
  std::size_t index_of(std::string_view word) const;
  /// "3 "age"", for messages.
  std::string title() const;
};

struct TableSchema {
  std::vector<TableColumn> columns = {};  ///< all columns of the file, in its order
  char separator = ',';                   ///< between the cells of the file
  bool operator==(const TableSchema&) const = default;

  std::size_t features() const;
  bool has_weights() const;  ///< whether a column holds the weights of the rows
  /// Per feature that is an index, the number of words of its column.
  std::vector<std::int64_t> index_words() const;
  /// One name per feature: "age", "age is missing", "city=Bonn", "city" for an index; "" for a number without a name.
  std::vector<std::string> feature_names() const;
  /// A row of the table as features. `raw` has one value per column that is a number or a category, in their order: the
  /// number, NaN for a missing one; index_of() of the word. `features` has features() elements.
  void encode(std::span<const float> raw, std::span<float> features) const;
  /// Whether the features are the numbers of the file as they stand there.
  bool is_plain() const;
};

/// What a model needs to know of rows with features of that shape. Rows that come from no table have no indices.
Input input_of(const Shape& features, const std::optional<TableSchema>& table);

/// `scale` for all features but indices, which are never scaled.
Scaling scale_all(const Scale& scale, const std::optional<TableSchema>& table);

}  // namespace hop::data
