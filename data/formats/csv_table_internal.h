// A CSV file as numbers, words and labels.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/words.h"
#include "data/formats/csv_places.h"
#include "data/formats/format.h"
#include "data/formats/number_column_internal.h"
#include "data/formats/word_list.h"
#include "data/row_store_internal.h"

namespace hop::data {

/// More distinct labels than this are measurements, not classes.
inline constexpr std::size_t kMaxCsvClasses = 10'000;

/// A column that becomes features.
struct CsvFeature {
  const ColumnRule* rule = nullptr;
  NumberColumn numbers{};
  std::shared_ptr<WordList> words{};  ///< of a category, in the training and the test rows
};

/// The labels of a file. Only the last row may show whether they are classes or numbers. Until then they are kept as
/// both.
struct CsvLabels {
  bool may_be_classes = true, may_be_numbers = true;
  WordList words{};                   ///< of classes. Beyond kMaxCsvClasses only their number matters
  std::vector<std::int64_t> lines{};  ///< per word: of the first row that has it
  bool too_many = false;
  std::vector<NumberColumn> numbers{};  ///< per label column; empty if labels are classes for sure
  std::string fraction{};               ///< a label that is no whole number

  /// As far as the rows have shown.
  TargetKind kind() const {
    const bool are_numbers = may_be_numbers && (!may_be_classes || !fraction.empty());
    return are_numbers ? TargetKind::numbers : TargetKind::classes;
  }
};

struct CsvTable {
  std::filesystem::path file{};
  SourceFile source{};
  std::vector<std::string> header{};  ///< names of all columns; empty if the file has none
  CsvPlaces places{};
  char separator = ',';
  ColumnGuesses guesses{};  ///< of training rows: they stand in `places`
  std::vector<CsvFeature> features{};
  CsvLabels labels{};
  RowStore store;  ///< rows of f32, one per feature: the number (NaN if missing) or the number of the word; then the
                   ///< numbers of the label, then the weight. Beside them the number of the label's word
  std::int64_t skipped = 0;  ///< rows in the store before the first one

  std::int64_t rows() const { return store.rows() - skipped; }
  /// `column 3 "age"`.
  std::string title(std::size_t place) const {
    return "column " + std::to_string(place) + (header.empty() ? "" : " \"" + printable(header[place]) + "\"");
  }
  std::vector<std::string> notes{};  ///< guesses, a line each
};

/// Reads a whole file, from its beginning to its end. Whether the first record is a header:
///   - `options.header` says so, or the label or another column is given by its name;
///   - none of its numbers is a number, or its weight is a word;
///   - or its label occurs nowhere else, the other labels repeat, and it looks like names beside the rest: words among
///     its features, numbers in even steps (1, 2, 3, 4, ..; 2019, 2020, 2021), most of them outside the range of their
///     columns, or a word as the label of rows whose labels are numbers;
///   - or labels are numbers to predict, and the label is a word, or all cells are numbers in even steps.
/// The separator is the one that `options` say, or that find_separator finds. A column of numbers of which nothing is
/// said is a category if a number has leading zeros (is_code), and left out if hardly a value comes twice: if a row
/// shows it, the file is read from its beginning again.
/// With `like`, the training rows' table, columns are matched by name if both files have a header, otherwise by place,
/// and words are added to its lists. Throws DataError that names file, line and column (columns count from 0, like
/// `label`) and says what to write instead; ConfigError for columns that the file does not have.
CsvTable read_csv(const std::filesystem::path& file, const CsvOptions& options, const CsvTable* like = nullptr);

}  // namespace hop::data
