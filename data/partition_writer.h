// Writes one partition file, row by row, and makes it appear whole or not at all.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "data/partition.h"

namespace hop::data {

/// The written file, for the manifest.
struct WrittenPartition {
  std::size_t bytes = 0;  ///< of the file
  Digest digest{};        ///< XXH3-128 of the file
};

/// Rows are appended in order. `finish` computes the checksums, syncs the file and renames it into place. Without
/// `finish`, the temporary file is removed and `file` stays as it was.
class PartitionWriter {
 public:
  /// `header.rows` rows will follow. Throws DataError when the file cannot be created or the header is not valid.
  PartitionWriter(std::filesystem::path file, PartitionHeader header);
  ~PartitionWriter();
  PartitionWriter(const PartitionWriter&) = delete;
  PartitionWriter& operator=(const PartitionWriter&) = delete;

  /// Appends a row: for each column its bytes, exactly `row_bytes()` of them. Throws DataError otherwise.
  void append(std::span<const ByteView> columns);
  /// Throws DataError when rows are missing or the disk fails.
  WrittenPartition finish();

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace hop::data
