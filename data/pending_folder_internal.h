// A folder that appears whole or not at all.
#pragma once

#include <filesystem>

#include "base/files.h"

namespace hop::data {

/// Made under another name beside its target, and renamed when everything in it is on the disk. What writers left there
/// that were killed is removed: they no longer hold the lock on their folder.
class PendingFolder {
 public:
  /// Throws DataError where `target` exists and is no empty folder.
  explicit PendingFolder(const std::filesystem::path& target);
  ~PendingFolder();
  PendingFolder(const PendingFolder&) = delete;
  PendingFolder& operator=(const PendingFolder&) = delete;

  const std::filesystem::path& path() const { return temporary_; }
  /// Throws where someone else filled the target meanwhile: a folder replaces an empty one only.
  const std::filesystem::path& commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  Descriptor lock_;
};

}  // namespace hop::data
