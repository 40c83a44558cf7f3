// Records as most files have them, without quotes and blanks: read in one go, each number where it stands.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace hop::data {

/// Reads one record of known columns. It only knows the usual form of a record; CsvRecords knows all of them.
class CsvLine {
 public:
  enum class Cell : std::uint8_t {
    number,
    number_or_nothing,  ///< an empty cell is NaN
    text,
    skipped
  };
  /// `cells`: of each column.
  explicit CsvLine(std::vector<Cell> cells, char separator = ',');

  /// Reads the record at the beginning of `text` and returns its bytes with the end of the line. 0 if it is not of the
  /// usual form: a number in another notation or with leading zeros (it may be a code), a quote, a blank beside a
  /// separator, a missing or surplus cell, an empty line.
  std::size_t read(std::string_view text);

  double number(std::size_t place) const { return numbers_[place]; }  ///< finite, in the range of f32
  std::string_view text(std::size_t place) const { return texts_[place]; }

 private:
  const char* read_cell(std::size_t place, const char* at, const char* end);
  const char* end_of_text(const char* at, const char* end) const;
  bool is_empty_cell(const char* at, const char* end) const;

  std::vector<Cell> cells_;
  char separator_;
  std::vector<double> numbers_;
  std::vector<std::string_view> texts_;
};

}  // namespace hop::data
