// The rows of a table on their way from the text to the partitions. Memory does not grow with their number.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/bytes.h"
#include "base/files.h"

namespace hop::data {

/// Rows of one size, each with a number beside it: appended once, then read in any order. Rows beyond a fixed amount of
/// memory lie in a file without a name, which the system removes with the process. Any number of threads may read.
class RowStore {
 public:
  /// `folder`: of the file. `memory`: bytes of rows that wait for the file.
  RowStore(std::size_t row_bytes, std::filesystem::path folder, std::size_t memory = 16 << 20);

  void append(ByteView row, std::uint32_t beside);
  void replace(std::int64_t row, ByteView bytes, std::uint32_t beside);
  std::int64_t rows() const { return stored_ + waiting(); }
  /// Copies a row and returns the number beside it. append(), replace() and read() throw DataError if the disk fails.
  std::uint32_t read(std::int64_t row, MutableByteView bytes) const;

 private:
  std::size_t stride() const { return row_bytes_ + sizeof(std::uint32_t); }
  std::int64_t waiting() const { return static_cast<std::int64_t>(waiting_.size() / stride()); }
  void spill();
  std::size_t row_bytes_, memory_;
  std::filesystem::path folder_;
  std::vector<std::byte> waiting_;  // the newest rows
  Descriptor file_;
  std::int64_t stored_ = 0;  // rows in the file
};

}  // namespace hop::data
