// What is wrong with a cell of a table, and what to write instead.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/csv_places.h"

namespace hop::data {

/// Messages that name file, line and column. Functions throw DataError.
class CsvFaults {
 public:
  using Cells = std::vector<std::string_view>;
  /// The references outlive the object: the first record, and the columns of the file.
  CsvFaults(const std::filesystem::path& file, const std::vector<std::string>& first, std::int64_t first_line,
            const CsvPlaces& places, const CsvOptions& options)
      : file_(file), first_(first), first_line_(first_line), places_(places), options_(options) {}

  [[noreturn]] void fail(const std::string& message, std::int64_t line, std::optional<std::size_t> column = {},
                         const std::string& remedy = "") const;
  /// A feature that is no number.
  [[noreturn]] void no_number(const Cells& cells, std::size_t place, std::int64_t line) const;
  /// A label that is no number to predict.
  [[noreturn]] void no_target(std::string_view cell, std::size_t place, std::int64_t line) const;
  /// The weight of a row.
  float weight_of(std::string_view cell, std::int64_t line) const;
  /// Text that a manifest cannot hold.
  void check_text(std::string_view text, std::size_t place, std::int64_t line) const;

 private:
  bool knows_header() const { return places_.has_header.value_or(false); }
  std::string on_header(std::int64_t line) const;
  std::string categories_of(const Cells& cells) const;

  const std::filesystem::path& file_;
  const std::vector<std::string>& first_;
  std::int64_t first_line_;
  const CsvPlaces& places_;
  const CsvOptions& options_;
};

}  // namespace hop::data
