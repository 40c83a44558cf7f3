#include "data/column_profile_internal.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "base/words.h"
#include "data/formats/csv_cells.h"
#include "data/table_schema.h"

namespace hop::data {
namespace {

constexpr std::size_t kMostWords = 10'000;      // of a column that are counted
constexpr std::size_t kMostNumberClasses = 20;  // more different whole numbers are measurements
constexpr std::size_t kMostSlips = 3;           // different words among numbers

}  // namespace

void ColumnProfile::include(std::string_view cell, std::int64_t line) {
  const auto number = number_in(cell);
  if (!number && is_missing(cell)) {
    ++missing;
    ++missing_words[std::string(cell)];
    counts_up = false;
    return;
  }
  number ? ++numbers : ++texts;
  if (!number && texts == 1) {
    first_text = cell;
    text_line = line;
  }
  if (!number && few_texts.size() <= kMostSlips) few_texts.emplace(cell);
  if (code.empty() && is_code(cell)) code = cell;
  if (!number && has_number_commas(cell) && commas++ == 0) {
    first_comma = cell;
    comma_line = line;
  }
  if (number && std::floor(*number) == *number) ++whole;
  if (number) {
    least = std::min(least, *number);
    greatest = std::max(greatest, *number);
  }
  counts_up = counts_up && number && (numbers == 1 || *number == last + 1);
  if (number && numbers > 1) {
    rises = rises && *number >= last;
    falls = falls && *number <= last;
    widest_step = std::max(widest_step, std::abs(*number - last));
  }
  if (number) last = *number;
  const std::string word = category_word(cell);
  if (const auto found = words.find(word); found != words.end()) {
    ++found->second;
  } else if (words.size() < kMostWords) {
    words.emplace(word, 1);
    if (not_utf8.empty() && !is_utf8(cell)) {
      not_utf8 = cell;
      not_utf8_line = line;
    }
  } else {
    too_many = true;
  }
}

void ColumnProfile::take_words_for_classes() {
  if (is_number() && !are_classes()) return;
  std::erase_if(missing_words, [this](const auto& word) {
    if (is_missing_label(word.first)) return false;
    words.insert(word);
    texts += word.second;
    missing -= word.second;
    return true;
  });
}

bool ColumnProfile::continues(double number) const {
  if (!is_outside(number)) return false;
  return number < least ? rises && least - number <= widest_step : falls && number - greatest <= widest_step;
}

bool ColumnProfile::has_slips() const {
  constexpr std::int64_t kNumbersForASlip = 4, kFewestRows = 30, kRowsForOtherSlips = 20;
  const bool are_few = few_texts.size() <= kMostSlips || kRowsForOtherSlips * texts <= rows();
  return texts > 0 && are_few && rows() >= kFewestRows && numbers >= kNumbersForASlip * texts && code.empty() &&
         std::cmp_greater(2 * words.size(), rows());
}

bool ColumnProfile::are_classes() const {
  if (too_many || words.size() < 2 || std::cmp_greater(2 * words.size(), rows())) return false;
  return !is_number() || (whole == numbers && words.size() <= kMostNumberClasses);
}

bool ColumnProfile::are_few_classes() const {
  constexpr std::size_t kMost = 30;  // an alphabet is fewer
  return are_classes() && words.size() <= kMost && code.empty();
}

}  // namespace hop::data
