#include "data/column_rules.h"

#include <array>

#include "base/table.h"
#include "base/words.h"

namespace hop::data {
namespace {

constexpr std::array kColumnRules = {
    ColumnRule{"number", ColumnKind::number, ColumnScale::standard, "Numbers: as `standard`."},
    ColumnRule{"standard", ColumnKind::number, ColumnScale::standard, "Numbers, to mean 0 and standard deviation 1."},
    ColumnRule{"minmax", ColumnKind::number, ColumnScale::minmax, "Numbers, from [least, greatest] to [0, 1]."},
    ColumnRule{"none", ColumnKind::number, ColumnScale::none, "Numbers as they are."},
    ColumnRule{"category", ColumnKind::category, ColumnScale::none,
               "Words, or numbers that are names: equal or different, nothing in between. `categories` says how they "
               "become features."},
    ColumnRule{"weight", ColumnKind::weight, ColumnScale::none,
               "How much a row counts, a number of 0 or more, in at most one column: losses and metrics are weighted "
               "means. New rows need none."},
    ColumnRule{"drop", ColumnKind::ignored, ColumnScale::none, "Not read."},
};

constexpr std::array kMissingRules = {
    MissingRule{"median", MissingValues::median, "The median of the training rows."},
    MissingRule{"indicator", MissingValues::indicator,
                "The median, and one more feature that is 1 where the value is missing."},
    MissingRule{"error", MissingValues::error, "An error that names line and column."},
};

constexpr std::array kCategoryRules = {
    CategoryRule{"one_hot", Categories::one_hot,
                 "One feature per word of the training rows, which is 1 where the cell is that word, for at most 64 "
                 "words per column. Other words are 0 everywhere."},
    CategoryRule{"index", Categories::index,
                 "One feature per column, the number of the word among the words of the training rows; 0 is any other "
                 "word. The first layer must be an `embed`."},
};

struct KindName {
  std::string_view name;
  ColumnKind kind;
};
constexpr KindName kKindNames[] = {{"number", ColumnKind::number},
                                   {"category", ColumnKind::category},
                                   {"label", ColumnKind::label},
                                   {"weight", ColumnKind::weight},
                                   {"ignored", ColumnKind::ignored}};

}  // namespace

std::span<const ColumnRule> column_rules() { return kColumnRules; }
std::span<const MissingRule> missing_rules() { return kMissingRules; }
std::span<const CategoryRule> category_rules() { return kCategoryRules; }

std::string to_string(const ColumnWords& words) {
  std::string text;
  for (const auto& [column, word] : words) {
    text += (text.empty() ? "" : ", ") + printable(column) + " = \"" + printable(word) + "\"";
  }
  return text;
}

std::string_view name(MissingValues missing) { return kMissingRules[static_cast<std::size_t>(missing)].name; }
std::string_view name(Categories categories) { return kCategoryRules[static_cast<std::size_t>(categories)].name; }
std::string_view name(ColumnKind kind) { return kKindNames[static_cast<std::size_t>(kind)].name; }
ColumnKind column_kind_from_name(std::string_view kind) {
  return find_row(std::span<const KindName>(kKindNames), kind, "kind of a column").kind;
}

}  // namespace hop::data
