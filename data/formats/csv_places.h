// The columns of a CSV file by their use: the label, the weight, the features, and the columns that are left out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/column_rules.h"
#include "data/formats/format.h"

namespace hop::data {

struct CsvTable;

/// Places count from 0 in a record.
struct CsvPlaces {
  std::size_t width = 0;                   ///< of a record
  std::vector<std::size_t> labels{};       ///< one, or several that hold numbers to predict
  std::vector<std::size_t> features{};     ///< in the order of the training rows
  std::optional<std::size_t> weight{};     ///< of the row
  std::vector<const ColumnRule*> rules{};  ///< per column; a test file has those of the training rows
  std::vector<bool> said{};                ///< per column: CsvOptions::columns has the rule; empty for a test file
  std::optional<bool> has_header{};        ///< none: only the rows can tell
  std::vector<std::string> notes{};        ///< a line each
};

/// A column that the rows have shown to be something else than a number, though nothing was said of it.
struct ColumnGuess {
  const ColumnRule* rule = nullptr;
  std::string cell{};  ///< that has shown it
};
using ColumnGuesses = std::map<std::size_t, ColumnGuess>;  ///< by place

/// The first record of a file.
struct CsvFirst {
  const std::filesystem::path& file;
  const std::vector<std::string>& cells;
  std::int64_t line = 1;
};

/// Finds the columns of a file in its first record; see read_csv. `guesses` count for training rows.
CsvPlaces place_columns(const CsvFirst& first, const CsvOptions& options, const CsvTable* like,
                        const ColumnGuesses& guesses = {});

}  // namespace hop::data
