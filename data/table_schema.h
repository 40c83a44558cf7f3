// The meaning of the columns of a table, and the rule that turns a record into features: fitted on the training rows
// alone, kept in the manifest. The scaling of the features is separate: Scaling in columns.h.
//
// Today a category becomes one feature per word, for at most kMostOneHot words. For embeddings, a batch will hold
// index_of() beside its numbers: numbers f32 (N, F), categories i64 (N, C).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/column_rules.h"

namespace hop::data {

/// A category with more words than this would give more features than a model can use.
inline constexpr std::size_t kMostOneHot = 64;

/// One column of a table.
struct TableColumn {
  std::string name = {};   ///< as in the header; "" if there was none
  std::int64_t place = 0;  ///< in a record of the training rows, from 0
  ColumnKind kind = ColumnKind::number;
  std::optional<double> fill = {};      ///< number: stands for a missing value; none: a missing value is an error
  bool indicator = false;               ///< number: a second feature is 1 where the value is missing
  std::vector<std::string> words = {};  ///< category: of the training rows, in the order of their bytes; "" is missing

  bool operator==(const TableColumn&) const = default;
  std::size_t features() const;
  /// The place of a category in a dictionary: 1 + its place in `words`; 0 for a word that no training row has.
  std::size_t index_of(std::string_view word) const;
  /// "3 "age"", for messages.
  std::string title() const;
};

struct TableSchema {
  std::vector<TableColumn> columns = {};  ///< all columns of the file, in its order
  bool operator==(const TableSchema&) const = default;

  std::size_t features() const;
  /// One name per feature: "age", "age is missing", "city=Bonn"; "" for a number without a name.
  std::vector<std::string> feature_names() const;
  /// A row of the table as features. `raw` has one value per column that is a number or a category, in their order: the
  /// number, NaN for a missing one; index_of() of the word. `features` has features() elements.
  void encode(std::span<const float> raw, std::span<float> features) const;
  /// Whether the features are the numbers of the file as they stand there.
  bool is_plain() const;
};

}  // namespace hop::data
