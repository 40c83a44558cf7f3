// Comma-separated values (RFC 4180), read into numbers and one column of labels.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/format.h"

namespace hop::data {

/// The records of a CSV text, one after the other. Fields in quotes may hold commas, line breaks and doubled quotes;
/// blanks around other fields are dropped, and so are empty lines.
class CsvRecords {
 public:
  CsvRecords(std::string_view text, std::filesystem::path file);
  /// Reads the next record into `fields`; false at the end. Throws DataError that names file and line.
  bool next(std::vector<std::string>& fields);
  /// The line, from 1, on which the last record started.
  std::int64_t line() const { return record_line_; }

 private:
  std::string quoted();
  std::string plain();
  bool at_line_end() const;
  void skip_line_end();
  bool at_end() const { return at_ == text_.size(); }

  std::string_view text_;
  std::filesystem::path file_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;
  std::int64_t record_line_ = 0;
};

/// A CSV file of numbers and labels.
struct CsvTable {
  std::int64_t width = 0;         ///< features in a row
  std::vector<float> features{};  ///< row by row
  std::vector<std::string> labels{};
  std::vector<std::int64_t> lines{};  ///< of each row, for messages
  std::vector<std::string> header{};  ///< names of all columns, label included; empty if the file has none
  std::size_t label_place = 0;        ///< in a record
  std::filesystem::path file{};
  SourceFile source{};
  std::vector<std::string> notes{};  ///< guesses, a line each

  std::size_t columns() const { return static_cast<std::size_t>(width) + 1; }
  std::vector<std::string> feature_names() const;
};

/// Reads a whole file. Whether the first record is a header:
///   - `options.header` says so, or the label is given by its name;
///   - none of its features is a number;
///   - or its label occurs nowhere else, the other labels repeat, and it looks like names beside the rest: words among
///     its features, numbers in even steps (1, 2, 3, 4, ..; 2019, 2020, 2021), most of them outside the range of their
///     columns, or a word as the label of rows whose labels are numbers.
/// With `like`, the training rows' table, columns are matched by name if both files have a header, otherwise by place.
/// Throws DataError that names file, line and column (columns count from 0, like `label`) and says what to write
/// instead.
CsvTable read_csv(const std::filesystem::path& file, const CsvOptions& options, const CsvTable* like = nullptr);

}  // namespace hop::data
