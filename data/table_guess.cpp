#include "data/table_guess.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/table.h"
#include "base/words.h"
#include "data/column_profile_internal.h"
#include "data/formats/csv_cells.h"
#include "data/formats/csv_records.h"
#include "data/formats/csv_separator.h"
#include "data/mapped_file.h"
#include "data/table_schema.h"

namespace hop::data {
namespace {

constexpr std::size_t kWindowBytes = 32 << 20;  // of the text that stay in memory

constexpr std::array<std::string_view, 12> kLabelNames = {"label",   "target",   "class",    "y",
                                                          "outcome", "response", "category", "diagnosis",
                                                          "species", "quality",  "survived", "churn"};
constexpr std::array<std::string_view, 6> kIdNames = {"id", "index", "rowid", "row_id", "uuid", "unnamed: 0"};

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string missing_note(const ColumnProfile& column) {
  return column.missing == 0 ? "" : ", missing in " + std::to_string(column.missing) + " rows";
}

// More words than one-hot features may be.
bool has_many_words(const ColumnProfile& column) {
  return column.words.size() + (column.missing > 0 ? 1 : 0) > kMostOneHot;
}

GuessedColumn guess_column(const std::string& name, const ColumnProfile& column) {
  constexpr std::int64_t kFewest = 8;  // fewer may count up by chance
  const bool is_id = std::ranges::find(kIdNames, lower(name)) != kIdNames.end() || lower(name).ends_with("_id");
  if (column.rows() == 0) return {name, "drop", "no values"};
  if (column.is_constant() && column.rows() >= kFewest) {
    return {name, "drop", "the same in all rows: " + printable(column.words.begin()->first)};
  }
  if (column.counts_up && column.rows() >= kFewest && column.code.empty()) return {name, "drop", "counts the rows"};
  if (is_id && (column.all_differ() || column.too_many)) return {name, "drop", "an id: every value is another one"};
  const std::string words = column.code.empty()
                                ? column.different() + " different words"
                                : column.different() + " different codes with leading zeros, such as " + column.code;
  if (!column.code.empty() && column.hardly_repeats() && column.words.size() > kMostOneHot) {
    return {name, "drop", words + ": an id"};
  }
  if (column.is_number()) return {name, "number", column.different() + " different numbers" + missing_note(column)};
  if (column.has_slips()) {
    return {.name = name,
            .word = "drop",
            .reason = std::to_string(column.numbers) + " of " + std::to_string(column.rows()) +
                      " values are numbers, but line " + std::to_string(column.text_line) + " has \"" +
                      printable(column.first_text) + "\": correct it or leave it empty, and write number",
            .has_slips = true};
  }
  if (column.too_many || (has_many_words(column) && std::cmp_greater(2 * column.words.size(), column.rows()))) {
    return {name, "drop", words + ": too many for " + std::to_string(column.rows()) + " rows"};
  }
  return {name, "category", words + missing_note(column)};
}

/// One use of guess_table.
class Guesser {
 public:
  Guesser(const std::filesystem::path& file, const std::optional<std::string>& label)
      : mapped_(file), file_(file.string()) {
    if (const std::string what = foreign_format(mapped_.bytes()); !what.empty()) {
      throw DataError("[init] expected comma-separated text, got " + what + " (" + file_ + ")");
    }
    guess_.separator = find_separator(as_text(mapped_.bytes()));
    CsvRecords records(as_text(mapped_.bytes()), file, guess_.separator);
    std::vector<std::string_view> cells;
    if (!records.next(cells)) throw DataError("[init] expected rows, got an empty file (" + file_ + ")");
    first_.assign(cells.begin(), cells.end());
    first_line_ = records.line();
    if (label) check_label(*label);
    profiles_.resize(first_.size());
    std::size_t given_back = 0;
    while (records.next(cells)) {
      if (cells.size() != first_.size()) {
        throw DataError("[init] expected " + std::to_string(first_.size()) + " columns, got " +
                        std::to_string(cells.size()) + " (" + file_ + ", line " + std::to_string(records.line()) +
                        "): " + kOtherWidth);
      }
      for (std::size_t i = 0; i < cells.size(); ++i) profiles_[i].include(cells[i], records.line());
      ++guess_.rows;
      if (records.position() - given_back < kWindowBytes) continue;
      mapped_.release(given_back, records.position() - given_back);
      given_back = records.position();
    }
    if (first_.size() < 2 || guess_.rows == 0) {
      const std::vector<std::string_view> names = names_of(separators());
      throw DataError("[init] expected at least 2 columns, separated by one of " + list_of(names) +
                      ", and 2 rows, got " + std::to_string(first_.size()) + " columns and " +
                      std::to_string(guess_.rows + 1) + " rows (" + file_ + ")");
    }
  }

  TableGuess guess(const std::optional<std::string>& label) {
    guess_.has_header = is_header();
    if (!guess_.has_header) {
      for (std::size_t i = 0; i < first_.size(); ++i) profiles_[i].include(first_[i], first_line_);
      ++guess_.rows;
    }
    for (std::size_t i = 0; i < first_.size(); ++i) refuse_commas(i);
    for (std::size_t i = 0; i < first_.size(); ++i) {
      guess_.columns.push_back(guess_column(guess_.has_header ? first_[i] : "", profiles_[i]));
      guess_.columns.back().has_codes = !profiles_[i].code.empty();
      refuse_other_texts(i);
    }
    label ? find_label(*label) : guess_label();
    ColumnProfile& values = profiles_[guess_.label];
    values.take_words_for_classes();
    refuse_constant(values);
    GuessedColumn& column = guess_.columns[guess_.label];
    column.word = "label";
    guess_.target = values.are_classes() || !values.is_number() ? TargetKind::classes : TargetKind::numbers;
    if (guess_.target == TargetKind::classes) {
      guess_.classes = static_cast<std::int64_t>(values.words.size());
      const auto rarest = std::ranges::min_element(values.words, {}, [](const auto& word) { return word.second; });
      if (rarest != values.words.end()) {
        guess_.rarest = static_cast<double>(rarest->second) / static_cast<double>(guess_.rows);
        guess_.rarest_rows = rarest->second;
        guess_.rarest_class = rarest->first;
      }
    }
    column.reason = guess_.target == TargetKind::classes ? values.different() + " classes"
                                                         : values.different() + " different numbers";
    for (std::size_t i = 0; i < profiles_.size(); ++i) {
      guess_.has_missing = guess_.has_missing || (guess_.columns[i].word == "number" && profiles_[i].missing > 0);
      if (guess_.columns[i].word == "category" && has_many_words(profiles_[i])) guess_.categories = Categories::index;
    }
    return std::move(guess_);
  }

 private:
  // The cells of a header are no values of their columns. A gap is the name of an index of pandas, if a name stands
  // over numbers. A number may be a name, too: a year, or the number of a column.
  bool is_header() const {
    bool has_gaps = false, has_name_over_numbers = false, has_name_over_words = false;
    std::vector<double> numbers;
    std::size_t outside = 0;
    bool continues = false;
    for (std::size_t i = 0; i < first_.size(); ++i) {
      const ColumnProfile& column = profiles_[i];
      const std::string& cell = first_[i];
      if (const auto number = number_in(cell)) {
        numbers.push_back(*number);
        outside += column.is_outside(*number) ? 1U : 0U;
        continues = continues || column.continues(*number);
      } else if (cell.empty()) {
        has_gaps = true;
      } else if (!is_name(cell) || column.words.contains(cell)) {
        return false;
      } else {
        has_name_over_numbers = has_name_over_numbers || column.is_number();
        has_name_over_words = has_name_over_words || column.are_classes();
      }
    }
    if (numbers.empty()) return has_name_over_numbers || !has_gaps;
    constexpr std::int64_t kFewestRows = 8;  // fewer say little about a column's range
    const bool may_be_names = !has_gaps && !continues && are_different_whole(numbers);
    const bool are_names = are_even(numbers) || (guess_.rows >= kFewestRows && 2 * outside > numbers.size());
    return may_be_names && are_names && (has_name_over_numbers || has_name_over_words);
  }

  static bool are_different_whole(const std::vector<double>& numbers) {
    const std::set<double> different(numbers.begin(), numbers.end());
    return different.size() == numbers.size() &&
           std::ranges::all_of(numbers, [](double number) { return std::floor(number) == number; });
  }

  // Years, or the numbers of columns.
  static bool are_even(const std::vector<double>& numbers) {
    constexpr std::size_t kFewest = 3;
    for (std::size_t i = 2; i < numbers.size(); ++i) {
      if (numbers[i] - numbers[i - 1] != numbers[1] - numbers[0]) return false;
    }
    return numbers.size() >= kFewest && numbers[1] != numbers[0];
  }

  std::string title(std::size_t place) const {
    return "column " + std::to_string(place) + (guess_.has_header ? " \"" + printable(first_[place]) + "\"" : "");
  }

  // As a run does, which reads all names, and the words of columns that are not left out.
  void refuse_other_texts(std::size_t place) const {
    const ColumnProfile& column = profiles_[place];
    const bool is_name = guess_.has_header && !is_utf8(first_[place]);
    const bool is_read = guess_.columns[place].word != "drop";
    if (!is_name && (column.not_utf8.empty() || !is_read)) return;
    throw DataError("[init] expected UTF-8, got \"" + printable(is_name ? first_[place] : column.not_utf8) + "\" (" +
                    file_ + ", line " + std::to_string(is_name ? first_line_ : column.not_utf8_line) + ", column " +
                    std::to_string(place) + "): save the file as UTF-8");
  }

  // Whether 1,234 is more than a thousand or little more than one, only a person can say.
  void refuse_commas(std::size_t place) const {
    const ColumnProfile& column = profiles_[place];
    if (!column.are_numbers_with_commas()) return;
    throw DataError("[init] expected numbers in " + title(place) + ", got \"" + column.first_comma + "\" (" + file_ +
                    ", line " + std::to_string(column.comma_line) + "): " + remedy_for(column.first_comma));
  }

  void refuse_constant(const ColumnProfile& label) const {
    if (label.words.size() > 1) return;
    const std::string all = label.words.empty() ? "nothing" : "\"" + printable(label.words.begin()->first) + "\"";
    // The first of the map is "", which says least.
    const std::string missing = label.missing == 0 ? "" : label.missing_words.rbegin()->first;
    const std::string others = label.missing == 0
                                   ? " in every row of "
                                   : " and, in " + std::to_string(label.missing) + " rows, \"" + missing +
                                         "\", which stands for a missing value (write another word for it), in ";
    throw DataError("[init] expected a label of at least two values, got " + all + others + title(guess_.label) + " (" +
                    file_ + "): is it the right column? --label NAME decides");
  }

  std::optional<std::size_t> place_in_first(const std::string& label) const {
    const auto place = whole_number_in(label);
    return place && *place >= 0 && std::cmp_less(*place, first_.size()) ? std::optional<std::size_t>(*place)
                                                                        : std::nullopt;
  }

  [[noreturn]] void refuse_label(const std::string& label) const {
    throw DataError("[init] --label: expected a column of " + file_ + ", got \"" + printable(label) + "\"" +
                    hint(label, std::span<const std::string>(first_)));
  }

  // Before the rows are read, which may take long.
  void check_label(const std::string& label) const {
    if (!place_in_first(label) && std::ranges::find(first_, label) == first_.end()) refuse_label(label);
  }

  void find_label(const std::string& label) {
    const auto place = place_in_first(label);
    const auto found = std::ranges::find(first_, label);
    const bool has_name = guess_.has_header && found != first_.end();
    if (!has_name && !place) refuse_label(label);
    guess_.label = has_name ? static_cast<std::size_t>(found - first_.begin()) : *place;
    guess_.label_reason = "as --label says";
  }

  void guess_label() {
    for (const std::string_view name : kLabelNames) {
      for (std::size_t i = 0; i < first_.size() && guess_.has_header; ++i) {
        if (lower(first_[i]) == name) return take_label(i, "because of its name");
      }
    }
    std::size_t last = first_.size() - 1;
    while (last > 0 && guess_.columns[last].word == "drop" && !guess_.columns[last].has_slips) --last;  // no answer
    const std::string name = last + 1 == first_.size() ? "the last column" : "the last column that can be one";
    if (guess_.columns[last].has_slips) return take_label(last, name);
    if (profiles_[last].are_classes()) return take_label(last, name + ", and its values repeat");
    if (profiles_[0].are_few_classes()) return take_label(0, "the first column, and its values repeat");
    take_label(last, name);
  }

  // Another column than the one meant would be learned without a word, or a class for every measurement.
  void take_label(std::size_t place, std::string reason) {
    if (guess_.columns[place].has_slips) {
      throw DataError("[init] expected numbers or words in " + title(place) + ", the label (" + reason +
                      "), got both: " + guess_.columns[place].reason + " (" + file_ + "); or --label NAME decides");
    }
    guess_.label = place;
    guess_.label_reason = std::move(reason);
  }

  MappedFile mapped_;
  std::string file_;
  std::vector<std::string> first_;  // the first record
  std::int64_t first_line_ = 1;
  std::vector<ColumnProfile> profiles_;
  TableGuess guess_;
};

}  // namespace

TableGuess guess_table(const std::filesystem::path& file, const std::optional<std::string>& label) {
  return Guesser(file, label).guess(label);
}

}  // namespace hop::data
