// A folder that appears whole or not at all.
#pragma once

#include <filesystem>

#include "base/files.h"

namespace hop::data {

/// Made under another name beside its target, and renamed when everything in it is on the disk. Folders that killed
/// writers left behind are removed: their locks are free.
class PendingFolder {
 public:
  /// Throws DataError if `target` exists and is not an empty folder.
  explicit PendingFolder(const std::filesystem::path& target);
  ~PendingFolder();
  PendingFolder(const PendingFolder&) = delete;
  PendingFolder& operator=(const PendingFolder&) = delete;

  const std::filesystem::path& path() const { return temporary_; }
  /// Throws if another process has filled the target meanwhile: a folder can replace only an empty one.
  const std::filesystem::path& commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  Descriptor lock_;
};

}  // namespace hop::data
