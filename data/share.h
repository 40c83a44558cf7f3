// A data set whose partitions are written on several machines at once. No machine sees all rows, so it takes two turns:
//
//   each machine   measure_part()       rows -> count, digest, moments
//   one machine    digest_of_parts()    the measures of all parts -> the digest that every file names
//   each machine   write_part()         rows, digest -> a file
//   one machine    manifest_of_parts()  the measures and files of all parts -> manifest.json
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/columns.h"
#include "data/dataset.h"
#include "data/source.h"

namespace hop::data {

/// A partition, or the validation rows, without its rows.
struct MeasuredPart {
  std::uint32_t index = 0;  ///< kValidationIndex for the validation rows
  std::int64_t rows = 0;
  Digest content{};                      ///< XXH3-128 of the records (RowSource::read_many)
  bool counts = true;                    ///< some row has a weight above 0
  std::vector<Moments> features{};       ///< of a training part, as ScalingFit needs them
  std::vector<Moments> numbers{};        ///< the same of the numbers to predict
  std::optional<PartitionEntry> file{};  ///< once it is written
  bool operator==(const MeasuredPart&) const = default;
};

/// Reads all rows once. Throws DataError for a source without rows.
MeasuredPart measure_part(const RowSource& rows, std::uint32_t index);

/// XXH3-128 of columns, target, options, and the content of each part. `kind`: a source of such rows; none of its rows
/// are read. `parts`: all parts in any order; a part may come more than once, from several machines. Throws DataError
/// if a part is missing, or comes with two contents.
Digest digest_of_parts(const RowSource& kind, const WriteOptions& options, std::span<const MeasuredPart> parts);

/// Writes the file of a part into `folder`, in place of an older one. `dataset`: from digest_of_parts().
PartitionEntry write_part(const RowSource& rows, std::uint32_t index, const Digest& dataset,
                          const std::filesystem::path& folder);

/// The text of manifest.json. Scales are fitted on the parts in the order of their indices, so they do not depend on
/// how parts were dealt to machines. Throws DataError, also if a part has no file.
std::string manifest_of_parts(const RowSource& kind, const WriteOptions& options, std::span<const MeasuredPart> parts);

/// A list of parts as JSON, and back. Throws DataError that names the wrong value.
std::string to_json(std::span<const MeasuredPart> parts);
std::vector<MeasuredPart> parse_parts(std::string_view text);

}  // namespace hop::data
