// A whole file as read-only memory.
#pragma once

#include <filesystem>

#include "base/bytes.h"
#include "base/hash.h"

namespace hop::data {

/// Maps a file for reading. The bytes are valid as long as the object lives. The file must not shrink meanwhile.
class MappedFile {
 public:
  /// Throws DataError that names the file and the system's reason.
  explicit MappedFile(std::filesystem::path file);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::filesystem::path& file() const { return file_; }
  ByteView bytes() const { return {data_, size_}; }
  /// Drops `size` bytes at `offset` from this process's resident set. Reading them again maps the cached pages again.
  void release(std::size_t offset, std::size_t size) const;
  /// XXH3-128 of all bytes. Drops them from the resident set behind itself.
  Digest digest() const;

 private:
  std::filesystem::path file_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace hop::data
