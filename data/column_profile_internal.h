// What the cells of a column are like: hop init guesses from it what the column is.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace hop::data {

/// The cells of a column, as they pass by.
struct ColumnProfile {
  std::int64_t numbers = 0, missing = 0, texts = 0, whole = 0;
  std::map<std::string, std::int64_t, std::less<>> missing_words = {};  // NA, none, .. -> rows
  std::map<std::string, std::int64_t, std::less<>> words = {};          // numbers too, up to kMostWords; word -> rows
  bool too_many = false, counts_up = true;
  double last = 0;
  std::string code = {};         // the first number with leading zeros
  std::int64_t commas = 0;       // texts that are numbers with commas
  std::string first_comma = {};  // of them
  std::int64_t comma_line = 0;
  std::string first_text = {};  // the first word that is no number
  std::int64_t text_line = 0;
  std::set<std::string, std::less<>> few_texts = {};  // different words that are no numbers: one more than slips may be
  std::string not_utf8 = {};                          // the first word that is no UTF-8
  std::int64_t not_utf8_line = 0;
  double least = INFINITY, greatest = -INFINITY;
  bool rises = true, falls = true;  // row by row, or stays
  double widest_step = 0;           // from a row to the next

  void include(std::string_view cell, std::int64_t line);
  /// The column is the label: its words are classes, whatever they stand for elsewhere ("none", "-"). Of a number to
  /// predict they stay missing values.
  void take_words_for_classes();
  std::int64_t rows() const { return numbers + texts; }
  bool is_number() const { return texts == 0 && numbers > 0 && code.empty(); }
  bool are_numbers_with_commas() const { return commas > 0 && commas == texts; }
  bool is_outside(double number) const { return is_number() && (number < least || number > greatest); }
  // The number may stand in the row before the first: a column in order goes on by a step that it takes elsewhere, too.
  bool continues(double number) const;
  // A column of measurements in which somebody mistyped, or wrote a word for a missing value: hardly a number comes
  // twice, and few cells, or few different ones, are none. Many different words are names, such as house numbers.
  bool has_slips() const;
  bool is_constant() const { return !too_many && words.size() == 1 && missing == 0; }
  bool all_differ() const { return !too_many && std::cmp_equal(words.size(), rows()); }
  bool hardly_repeats() const { return too_many || std::cmp_greater(10 * words.size(), 9 * rows()); }
  bool are_classes() const;
  // Of a first column: many words, and codes, are places or shops.
  bool are_few_classes() const;
  std::string different() const { return (too_many ? "more than " : "") + std::to_string(words.size()); }
};

}  // namespace hop::data
