// Fits the meaning of the columns of a table to the training rows.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/median.h"
#include "data/source.h"
#include "data/table_schema.h"

namespace hop::data {

/// Takes the training rows, pass by pass: the words of categories, and medians where values are missing.
class TableFit {
 public:
  explicit TableFit(std::vector<RawColumn> table);
  int passes() const;  ///< how often the rows must pass by; 0 if nothing is to be learnt
  /// One row of the table's source.
  void include(std::span<const float> row);
  void end_pass();
  /// `notes` gets lines for people. Throws DataError for a column that has no value in the training rows, and for a
  /// one-hot category with more than kMostOneHot words.
  TableSchema result(std::vector<std::string>& notes) const;

 private:
  struct Fit {
    RawColumn raw{};
    std::size_t at = 0;              // in a row
    std::optional<Median> median{};  // numbers with missing values
    std::vector<bool> occurs{};      // categories: per word
  };
  std::vector<Fit> columns_;
};

/// How each feature is scaled, for ScalingFit.
std::vector<ColumnScale> scales_of(const std::vector<RawColumn>& table, const TableSchema& schema);

}  // namespace hop::data
