// The partition files of a data set, written from records.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "data/dataset.h"
#include "data/partition.h"
#include "data/row_shuffle_internal.h"
#include "data/source.h"

namespace hop::data {

/// What models of these rows predict, before its scales are fitted.
Target target_of(const RowSource& rows);
/// Features, label and weight, as all files of a data set have them.
std::vector<Column> columns_of(const RowSource& rows);

/// Writes the partitions in their order, then the validation rows.
class DatasetFiles {
 public:
  using Use = std::function<void(ByteView records)>;
  /// `header`: of all files, but for index and rows.
  DatasetFiles(std::filesystem::path folder, PartitionHeader header)
      : folder_(std::move(folder)), header_(std::move(header)) {}

  /// The next rows of `shuffle`. `use` sees them, too.
  PartitionEntry write_partition(std::size_t rows, RowShuffle& shuffle, const Use& use);
  /// None if there are no rows.
  std::optional<PartitionEntry> write_validation(std::size_t rows, RowShuffle& shuffle, const Use& use);
  /// All rows of the source.
  std::optional<PartitionEntry> write_validation(const RowSource& rows, const Use& use);
  /// All rows of the source as the partition `index`, or as validation rows (kValidationIndex).
  PartitionEntry write_all(std::uint32_t index, const RowSource& rows, const Use& use);

 private:
  class Writer;
  Writer begin(const std::string& file, std::uint32_t index, std::int64_t rows);
  static PartitionEntry write(Writer& writer, std::size_t rows, RowShuffle& shuffle, const Use& use);

  std::filesystem::path folder_;
  PartitionHeader header_;
  std::uint32_t next_ = 0;
};

}  // namespace hop::data
