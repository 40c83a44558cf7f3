// A temporary file without a name, which the system removes with the process.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/bytes.h"
#include "base/files.h"

namespace hop::data {

/// Made in `folder` at the first write. Any number of threads may read. All functions throw DataError that names the
/// folder.
class ScratchFile {
 public:
  explicit ScratchFile(std::filesystem::path folder) : folder_(std::move(folder)) {}
  void write_at(std::uint64_t offset, ByteView bytes);
  /// Bytes that were written before.
  void read_at(std::uint64_t offset, MutableByteView bytes) const;

 private:
  std::filesystem::path folder_;
  Descriptor file_;
};

/// The folder for the temporary rows of a data set that will be written to `folder`: the nearest one that is there, so
/// on the same disk.
std::filesystem::path scratch_beside(const std::filesystem::path& folder);

}  // namespace hop::data
