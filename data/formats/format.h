// The formats that Hopscotch reads, and how to tell which one a folder holds.
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

enum class Format : std::uint8_t { idx, cifar, csv, npy };

std::string_view name(Format format);       ///< "idx", "cifar", "csv", "npy"
Format format_from_name(std::string_view);  ///< throws ConfigError for an unknown name

/// A column of a CSV file: by place (from 0; negative: from the back) or by the name in the header row.
using ColumnPlace = std::variant<std::int64_t, std::string>;
/// The column of the labels. Several: the numbers that a model predicts.
using LabelColumn = std::variant<std::int64_t, std::string, std::vector<ColumnPlace>>;
std::vector<ColumnPlace> label_columns(const LabelColumn& label);
/// "price", or "price, rent".
std::string to_string(const LabelColumn& label);

/// Facts that a CSV file does not contain.
struct CsvOptions {
  LabelColumn label = std::int64_t{0};
  /// What labels are. Default: numbers if there are several label columns or if all labels are numbers and some have a
  /// fraction; otherwise classes.
  std::optional<TargetKind> target = {};
  std::optional<bool> header = {};  ///< whether the first record is one; default: read_csv looks
  ColumnWords columns = {};         ///< columns that are no numbers, or not scaled as usual
  MissingValues missing = MissingValues::median;
  std::filesystem::path scratch = {};  ///< a folder for a temporary file of the rows; default: the system's
  OnProgress on_progress = {};
};

/// The format of the files in `folder`. Throws DataError that says what was looked for if there is none, or more than
/// one.
Format detect_format(const std::filesystem::path& folder);

/// Opens `sources`: one folder that holds files under their usual names, or the files themselves:
///   idx    images, labels [, test images, test labels]
///   cifar  batch files; those whose names start with "test" are test rows
///   csv    one file [, one of test rows]
///   npy    features, labels [, test features, test labels]
/// Throws DataError that names the file and what is wrong with it.
/// `csv.target` counts for npy files, too.
RawData open_source(Format format, std::span<const std::filesystem::path> sources, const CsvOptions& csv = {});

/// The files that open_source reads: those of one folder under their usual names, or `sources` themselves.
std::vector<std::filesystem::path> source_files(Format format, std::span<const std::filesystem::path> sources);

}  // namespace hop::data
