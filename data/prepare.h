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

/// How to turn raw files into a data set. What is not given has a default.
struct ImportOptions {
  std::string name = {};  ///< default: the name of the source
  std::uint32_t partitions = 4;
  std::optional<Validation> validation =
      {};                               ///< default: the source's test rows where it has some, else a tenth at random
  LabelColumn label = std::int64_t{0};  ///< CSV
  std::optional<bool> header = {};      ///< CSV: whether the first record is one; default: read_csv looks
  std::optional<Scale> scale = {};      ///< of all features; default: fitted on the training rows (ScalingFit)
  std::uint64_t seed = 0;               ///< of the shuffle and of random validation rows
};

/// Reads `sources` (one folder, or files; see open_source) and writes a partitioned data set to `out`, which must not
/// exist or be empty. Throws DataError that names file and place, ConfigError for options that the data does not allow.
Dataset import_dataset(Format format, std::span<const std::filesystem::path> sources, const std::filesystem::path& out,
                       const ImportOptions& options = {});

/// The [data] section of an experiment.
struct DataOptions {
  std::string source = {};                       ///< a data set's folder, raw files, or "glyphs"; never nothing
  std::optional<std::uint32_t> partitions = {};  ///< default: 4, or as the source is partitioned
  std::optional<Validation> validation = {};     ///< see ImportOptions
  LabelColumn label = std::int64_t{0};           ///< CSV
  std::optional<bool> header = {};               ///< CSV; see ImportOptions
  std::optional<Scale> scale = {};               ///< default: the data set's suggestion, Dataset::scale()
  std::uint64_t seed = 0;                        ///< the experiment's
  /// Rows of the application, instead of a source: tensor_source(x, y, classes), or a RowSource of its own.
  std::shared_ptr<const RowSource> rows = {};
  std::shared_ptr<const RowSource> test_rows = {};  ///< for validation = "file"
};

/// Where a partitioned source is used.
enum class Keep : std::uint8_t {
  own,      ///< its files become those of `folder`, too (adopt_dataset): it may change, move or go
  in_place  ///< where it lies: for work that is over before anybody touches it
};

/// Opens the data set that `options` ask for, in `folder`: a partitioned source is adopted there, anything else is
/// imported (or generated). What `folder` holds already is opened as it is, whatever became of the source since. Throws
/// DataError when the source or what it should contain is missing (and says what was looked for), or when `folder`
/// holds something that is no data set; ConfigError when there is no source, and when the options contradict what is
/// already partitioned.
Dataset prepare_dataset(const DataOptions& options, const std::filesystem::path& folder, Keep keep = Keep::own);

/// How the source of a prepared data set differs from what it was then: one line, or nothing where it is the same.
/// Reads raw files that were written since, for their digests.
std::string source_change(const DataOptions& options, const Dataset& prepared);

}  // namespace hop::data
