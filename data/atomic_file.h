// A file that appears whole or not at all: written under a temporary name, synced, renamed.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/bytes.h"

namespace hop::data {

class AtomicFile {
 public:
  /// Creates a temporary file beside `target`. Throws DataError that names the file and the system's reason.
  explicit AtomicFile(std::filesystem::path target);
  /// Removes the temporary file unless commit() was called.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write_at(std::uint64_t offset, ByteView bytes);
  /// Makes the file durable under its name, in place of any older one.
  void commit();
  const std::filesystem::path& temporary() const { return temporary_; }

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  int fd_ = -1;
};

/// Writes `bytes` to `file` as a whole.
void write_file_atomically(const std::filesystem::path& file, ByteView bytes);

/// Makes the entries of `folder` durable: a rename is lost in a crash until its folder is synced.
void sync_folder(const std::filesystem::path& folder);

/// `path` with a suffix that no other file made by a living process of this machine has.
std::filesystem::path temporary_name(const std::filesystem::path& path);

}  // namespace hop::data
