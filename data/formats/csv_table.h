// Comma-separated values as RFC 4180 has them, read into numbers and one column of labels.
#pragma once

#include <cstdint>
#include <filesystem>
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
  std::int64_t width = 0;       ///< features in a row
  std::vector<float> features;  ///< row by row
  std::vector<std::string> labels;
  std::vector<std::int64_t> lines;  ///< of each row, for messages
  std::filesystem::path file;
  std::uint64_t bytes = 0;
};

/// Reads a whole file. The first record is a header when `label` is a name, when none of its features is a number, or
/// when they are column numbers (1, 2, 3, 4, ..; at least four) beside a label that occurs nowhere else. Throws
/// DataError that names file, line and column (columns count from 0, as `label` does).
CsvTable read_csv(const std::filesystem::path& file, const LabelColumn& label);

}  // namespace hop::data
