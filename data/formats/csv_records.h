// Values separated by commas (RFC 4180) or by another character, record by record.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hop::data {

/// The records of a CSV text, one after the other. Fields in quotes may hold separators, line breaks and doubled
/// quotes; blanks around other fields are dropped, and so are empty lines. A first line `sep=;`, as Excel writes and
/// reads it, names the separator and is no record.
class CsvRecords {
 public:
  CsvRecords(std::string_view text, std::filesystem::path file, char separator = ',');
  /// The separator that the first line names; none if it names none of separators().
  std::optional<char> named_separator() const { return named_; }
  /// Reads the next record into `fields`, which are valid until the next call; false at the end. Throws DataError that
  /// names file and line.
  bool next(std::vector<std::string_view>& fields);
  /// The line, from 1, on which the last record started.
  std::int64_t line() const { return record_line_; }
  /// How many bytes of the text have been read.
  std::size_t position() const { return at_; }
  /// The text that has not been read.
  std::string_view rest() const { return text_.substr(at_); }
  /// Goes behind a record that was read elsewhere: one line, whose end is among the `bytes`.
  void pass_line(std::size_t bytes);

 private:
  void pass_separator();
  std::string_view quoted();
  std::string_view plain();
  bool at_line_end() const;
  void skip_line_end();
  bool at_end() const { return at_ == text_.size(); }

  std::string_view text_;
  std::filesystem::path file_;
  char separator_;
  std::optional<char> named_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;
  std::int64_t record_line_ = 0;
  std::deque<std::string> unquoted_;  // the fields of the last record that held doubled quotes
};

}  // namespace hop::data
