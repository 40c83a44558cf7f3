// New rows of a CSV file, on their way into a trained model.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/csv_records.h"
#include "data/mapped_file.h"
#include "data/row_encoder.h"

namespace hop::data {

/// The records of a file without its header, one after the other. Memory does not follow the size of the file.
class CsvRows {
 public:
  /// Reads the first record and matches the columns of `encoder`, which must live as long. `header`: whether that
  /// record is one; none: RowEncoder::is_header decides. Throws DataError.
  CsvRows(const std::filesystem::path& file, RowEncoder& encoder, std::optional<bool> header = {});
  /// Reads the next row into `cells`, which are valid until the next call; false at the end. Throws DataError.
  bool next(std::vector<std::string_view>& cells);
  /// Of the last row, for messages.
  RowPlace place() const { return {.source = name_, .unit = "line", .number = records_.line()}; }
  /// What was found out, a line each: a header, columns that are ignored.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  std::string name_;
  MappedFile mapped_;
  char separator_;
  CsvRecords records_;
  std::size_t given_back_ = 0;  // bytes that have left the memory
  std::vector<std::string> notes_;
};

}  // namespace hop::data
