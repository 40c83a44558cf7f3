// What the columns of a CSV file seem to be: a first experiment file is made of it, for a person to look at.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/column_rules.h"
#include "data/target.h"

namespace hop::data {

/// A column, and why.
struct GuessedColumn {
  std::string name = {};        ///< in the header; "" if there is none
  std::string word = "number";  ///< of column_rules(), or "label"
  std::string reason = {};      ///< "3 words", "missing in 12 rows"
  bool has_codes = false;       ///< numbers with leading zeros
  bool has_slips = false;       ///< dropped: numbers but for a few words
};

struct TableGuess {
  std::vector<GuessedColumn> columns = {};  ///< in the order of the file
  bool has_header = false;
  std::int64_t rows = 0;
  std::size_t label = 0;  ///< its place
  std::string label_reason = {};
  TargetKind target = TargetKind::classes;
  std::int64_t classes = 0;
  double rarest = 0;                            ///< the share of the rarest class
  std::int64_t rarest_rows = 0;                 ///< and its rows
  std::string rarest_class = {};                ///< and its word
  char separator = ',';                         ///< found in the first records
  bool has_missing = false;                     ///< in a column of numbers
  Categories categories = Categories::one_hot;  ///< index if a category has too many words to be one_hot
};

/// Looks at every row once. `label` names or places the label's column; none: guessed by its name, then by its values.
/// Memory follows the number of different words, up to a bound. Throws DataError for a file that is no table or has no
/// such column, for numbers that are written with commas, for a guessed label of numbers and a few words, and for a
/// label that is the same in all rows.
TableGuess guess_table(const std::filesystem::path& file, const std::optional<std::string>& label = {});

}  // namespace hop::data
