// From the [data] section of an experiment, or `hop data import`, to an opened data set.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "data/dataset.h"
#include "data/formats/format.h"
#include "data/source.h"

namespace hop::data {

/// How to turn raw files into a data set. Every option has a default.
struct ImportOptions {
  std::string name = {};  ///< default: the name of the source
  std::uint32_t partitions = 4;
  std::optional<Validation> validation =
      {};  ///< default: the source's test rows if it has some; otherwise a random tenth, of a text the last tenth
  LabelColumn label = std::int64_t{0};            ///< CSV
  std::optional<TargetKind> target = {};          ///< what labels are; default: see CsvOptions and open_npy
  std::optional<bool> header = {};                ///< CSV: whether the first record is one; default: read_csv looks
  ColumnWords columns = {};                       ///< CSV: columns that are no numbers, or not scaled as usual
  MissingValues missing = MissingValues::median;  ///< CSV
  Categories categories = Categories::one_hot;    ///< CSV
  std::optional<char> separator = {};             ///< CSV: of separators(); default: found in the first records
  std::optional<Scale> scale = {};  ///< of all features; default: fitted on the training rows (ScalingFit)
  std::uint64_t seed = 0;           ///< of the shuffle and of random validation rows
  OnProgress on_progress = {};
  std::optional<std::int64_t> context = {};  ///< text: characters of a row; default: see CsvOptions
};

/// Reads `sources` (one folder, or files; see open_source) and writes a partitioned data set to `out`, which must not
/// exist or be empty. Throws DataError that names file and place, ConfigError for options that do not fit the data.
Dataset import_dataset(const Format& format, std::span<const std::filesystem::path> sources,
                       const std::filesystem::path& out, const ImportOptions& options = {});

/// The [data] section of an experiment.
struct DataOptions {
  std::string source = {};                       ///< a data set's folder, raw files, or "glyphs"; not empty
  std::optional<std::uint32_t> partitions = {};  ///< default: 4, or as the source is partitioned
  std::optional<Validation> validation = {};     ///< see ImportOptions
  LabelColumn label = std::int64_t{0};           ///< CSV
  std::optional<TargetKind> target = {};         ///< what labels are; see ImportOptions
  std::optional<TargetKind> wanted = {};         ///< the same, for a source that may have both; without `target`
  std::optional<bool> header = {};               ///< CSV; see ImportOptions
  ColumnWords columns = {};                      ///< CSV; see ImportOptions
  std::optional<MissingValues> missing = {};     ///< CSV; default: median
  std::optional<Categories> categories = {};     ///< CSV; default: one_hot
  std::optional<char> separator = {};            ///< CSV; see ImportOptions
  std::optional<Scale> scale = {};               ///< default: the data set's suggestion, Dataset::scale()
  std::uint64_t seed = 0;                        ///< the experiment's
  /// Rows of the application, instead of a source: tensor_source(x, y, classes), tensor_source(x, numbers), or a
  /// RowSource of its own.
  std::shared_ptr<const RowSource> rows = {};
  std::shared_ptr<const RowSource> test_rows = {};  ///< for validation = "file"
  std::optional<std::int64_t> context = {};         ///< text; see ImportOptions
};

/// How a run uses a partitioned source.
enum class Keep : std::uint8_t {
  own,      ///< its files are copied into `folder` (adopt_dataset), so the source may change, move or go
  present,  ///< the same of the files that are here: the others lie on other machines, whose workers read them
  in_place  ///< its files are read in place: for work that ends before anybody touches them
};

/// Opens the data set that `options` describe, in `folder`. A partitioned source is adopted there; any other source is
/// imported (or generated). If `folder` already holds a data set, it is opened, even if the source has changed since.
/// Throws DataError if the source or its expected contents are missing (and says what was looked for), or if `folder`
/// holds something else. Throws ConfigError if there is no source, or if the options contradict the existing
/// partitions.
Dataset prepare_dataset(const DataOptions& options, const std::filesystem::path& folder, Keep keep = Keep::own,
                        const OnCopy& on_copy = {});

/// How the source of a prepared data set has changed since: one line; empty if it has not. Reads raw files that were
/// written since, for their digests.
std::string source_change(const DataOptions& options, const Dataset& prepared);

}  // namespace hop::data
