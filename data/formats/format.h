// The formats that Hopscotch reads: one table. How to tell which one a folder holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "data/column_rules.h"
#include "data/source.h"
#include "data/target.h"

namespace hop::data {

/// A column of a CSV file: by place (from 0; negative: from the back) or by the name in the header row.
using ColumnPlace = std::variant<std::int64_t, std::string>;
/// The column of the labels. Several: the numbers that a model predicts.
using LabelColumn = std::variant<std::int64_t, std::string, std::vector<ColumnPlace>>;
std::vector<ColumnPlace> label_columns(const LabelColumn& label);
/// "price", or "price, rent".
std::string to_string(const LabelColumn& label);

/// Facts that a CSV file does not contain; `target` counts for other files, too, and `context` for texts alone.
struct CsvOptions {
  LabelColumn label = std::int64_t{0};
  /// What labels are. Default: numbers if there are several label columns or if all labels are numbers and some have a
  /// fraction; otherwise classes.
  std::optional<TargetKind> target = {};
  std::optional<bool> header = {};  ///< whether the first record is one; default: read_csv looks
  ColumnWords columns = {};         ///< columns that are no numbers, or not scaled as usual
  MissingValues missing = MissingValues::median;
  Categories categories = Categories::one_hot;
  std::optional<char> separator = {};  ///< of separators(); default: found in the first records
  std::filesystem::path scratch = {};  ///< a folder for a temporary file of the rows; default: the system's
  OnProgress on_progress = {};
  std::int64_t context = 32;  ///< text: a row has so many characters
};

/// A format of files: a row of the table.
struct Format {
  std::string_view name{};        ///< the word of `hop data import`
  std::string_view looks_for{};   ///< the files that make a folder one of this format
  std::string_view files{};       ///< the files that `open` takes, in their order
  bool has_columns = false;       ///< a table: CsvOptions count
  bool may_have_numbers = false;  ///< labels may be numbers to predict: CsvOptions::target counts
  /// The files of a folder under their usual names, in the order of `open`. Empty if there are none.
  std::vector<std::filesystem::path> (*find)(const std::filesystem::path& folder) = nullptr;
  /// Throws DataError that names the file and what is wrong with it.
  RawData (*open)(std::span<const std::filesystem::path> files, const CsvOptions& csv) = nullptr;
  std::string_view extension{};  ///< a single file that ends so is of this format; a CSV file may have any other
  bool has_context = false;      ///< rows are windows of a text: CsvOptions::context counts
};

/// All rows, in the order of the documentation.
std::span<const Format> formats();
/// The format of that name. Throws ConfigError that names the nearest one.
const Format& find_format(std::string_view name);

/// The format of the files in `folder`. Throws DataError that says what was looked for if there is none, or more than
/// one.
const Format& detect_format(const std::filesystem::path& folder);

/// The format of a single file: by its extension, and `.txt` is a table if its first lines look like one.
const Format& format_of_file(const std::filesystem::path& file);

/// Opens `sources`: one folder that holds files under their usual names, or the files themselves (Format::files).
/// Throws DataError that names the file and what is wrong with it.
/// `csv.target` counts for all files whose labels may be numbers.
RawData open_source(const Format& format, std::span<const std::filesystem::path> sources, const CsvOptions& csv = {});

/// The files that open_source reads: those of one folder under their usual names, or `sources` themselves. Throws
/// DataError, also if two of them are the same file (device and inode).
std::vector<std::filesystem::path> source_files(const Format& format, std::span<const std::filesystem::path> sources);

}  // namespace hop::data
