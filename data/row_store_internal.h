// The rows of a table on their way from the text to the partitions. Memory does not grow with their number.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/bytes.h"
#include "data/scratch_file_internal.h"

namespace hop::data {

/// Rows of one size, each with a number beside it: appended once, then read in any order. Rows beyond a fixed amount of
/// memory lie in a file without a name. Any number of threads may read.
class RowStore {
 public:
  /// `folder`: of the file. `memory`: bytes of rows that wait for the file.
  RowStore(std::size_t row_bytes, std::filesystem::path folder, std::size_t memory = 16 << 20);

  void append(ByteView row, std::uint32_t beside);
  void replace(std::int64_t row, ByteView bytes, std::uint32_t beside);
  /// Forgets the rows from `rows` on, which is at most rows().
  void truncate(std::int64_t rows) noexcept;
  std::int64_t rows() const { return stored_ + waiting(); }
  /// Copies a row and returns the number beside it. append(), replace() and read() throw DataError if the disk fails.
  std::uint32_t read(std::int64_t row, MutableByteView bytes) const;
  /// Copies as many rows as fit, from `first` on, each followed by the number beside it: stride() bytes.
  void read_many(std::int64_t first, MutableByteView records) const;
  std::size_t row_bytes() const { return row_bytes_; }
  std::size_t stride() const { return row_bytes_ + sizeof(std::uint32_t); }

 private:
  std::int64_t waiting() const { return static_cast<std::int64_t>(waiting_.size() / stride()); }
  std::uint64_t offset_of(std::int64_t row) const { return static_cast<std::uint64_t>(row) * stride(); }
  void spill();
  std::size_t row_bytes_, memory_;
  std::vector<std::byte> waiting_;  // the newest rows
  ScratchFile file_;
  std::int64_t stored_ = 0;  // rows in the file
};

}  // namespace hop::data
