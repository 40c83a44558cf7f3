// The words with which a user describes the columns of a table: `columns = { age = "minmax", zip = "category" }`.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace hop::data {

/// The kind of the cells of a column.
enum class ColumnKind : std::uint8_t {
  number,
  category,  ///< words (or numbers that are names): equal or different, nothing in between
  label,
  weight,  ///< how much a row counts, 0 or more: no feature
  ignored
};

/// How a column of numbers is scaled: fitted on the training rows.
enum class ColumnScale : std::uint8_t {
  standard,  ///< to mean 0 and standard deviation 1
  minmax,    ///< from [least, greatest] to [0, 1]
  none
};

/// The treatment of a missing value in a column of numbers. In a column of categories a missing value is a category of
/// its own.
enum class MissingValues : std::uint8_t {
  median,     ///< it becomes the median of the training rows
  indicator,  ///< the same, and a second feature is 1 where a value is missing
  error
};

/// How the words of a category become features.
enum class Categories : std::uint8_t {
  one_hot,  ///< a feature per word, which is 1 where the cell is that word
  index     ///< one feature, the number of the word: for an embedding
};

/// A word for a column.
struct ColumnRule {
  std::string_view name{};
  ColumnKind kind = ColumnKind::number;
  ColumnScale scale = ColumnScale::standard;
  std::string_view doc{};  ///< one line
};

/// A word for missing values.
struct MissingRule {
  std::string_view name{};
  MissingValues missing = MissingValues::median;
  std::string_view doc{};  ///< one line
};

/// A word for categories.
struct CategoryRule {
  std::string_view name{};
  Categories categories = Categories::one_hot;
  std::string_view doc{};  ///< one line
};

/// All of them: the one list of each.
std::span<const ColumnRule> column_rules();
std::span<const MissingRule> missing_rules();
std::span<const CategoryRule> category_rules();

/// Column, by its name in the header or its place (from 0; negative: from the back) -> a word of column_rules().
using ColumnWords = std::map<std::string, std::string>;

/// `age = "minmax", id = "drop"`: for people and for comparisons.
std::string to_string(const ColumnWords& words);

std::string_view name(MissingValues missing);             ///< "median", "indicator", "error"
std::string_view name(Categories categories);             ///< "one_hot", "index"
std::string_view name(ColumnKind kind);                   ///< "number", "category", "label", "weight", "ignored"
ColumnKind column_kind_from_name(std::string_view kind);  ///< throws ConfigError for another name

}  // namespace hop::data
