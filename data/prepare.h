// From the [data] section of an experiment, or `hop data import`, to an opened data set.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "data/dataset.h"
#include "data/formats/format.h"

namespace hop::data {

/// How to turn raw files into a data set. What is not given has a default.
struct ImportOptions {
  std::string name = {};  ///< default: the name of the source
  std::uint32_t partitions = 4;
  std::optional<Validation> validation =
      {};                               ///< default: the source's test rows where it has some, else a tenth at random
  LabelColumn label = std::int64_t{0};  ///< CSV
  std::optional<Scale> scale = {};      ///< the suggestion in the manifest; default: from the training rows
  std::uint64_t seed = 0;               ///< of the shuffle and of random validation rows
};

/// Reads `sources` (one folder, or files; see open_source) and writes a partitioned data set to `out`, which must not
/// exist or be empty. Throws DataError that names file and place, ConfigError for options that the data does not allow.
Dataset import_dataset(Format format, std::span<const std::filesystem::path> sources, const std::filesystem::path& out,
                       const ImportOptions& options = {});

/// The [data] section of an experiment.
struct DataOptions {
  std::string source = "glyphs";                 ///< a data set's folder, a folder of raw files, or "glyphs"
  std::optional<std::uint32_t> partitions = {};  ///< default: 4, or as the source is partitioned
  std::optional<Validation> validation = {};     ///< see ImportOptions
  LabelColumn label = std::int64_t{0};           ///< CSV
  std::optional<Scale> scale = {};               ///< default: the data set's suggestion, Dataset::scale()
  std::uint64_t seed = 0;                        ///< the experiment's
};

/// Opens the data set that `options` ask for. A partitioned source is opened where it lies. Anything else is imported
/// (or generated) into `folder`; when `folder` already holds the result of the same import, that is opened, also when
/// the source is no longer there. Throws DataError when the source or what it should contain is missing (and says what
/// was looked for), or when `folder` holds something else; ConfigError when the options contradict what is already
/// partitioned.
Dataset prepare_dataset(const DataOptions& options, const std::filesystem::path& folder);

}  // namespace hop::data
