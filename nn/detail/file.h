// Positioned reads. Every failure is a StateError with the path and the system's reason. base/files.h writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/files.h"

namespace hop::nn::detail {

class InputFile {
 public:
  explicit InputFile(std::filesystem::path path);
  std::uint64_t size() const { return size_; }
  /// "models/3.hop", for messages.
  const std::filesystem::path& path() const { return path_; }
  /// Fills `bytes` from `offset`. Throws StateError if the file ends before.
  void read(MutableByteView bytes, std::uint64_t offset) const;

 private:
  std::filesystem::path path_;
  Descriptor fd_;
  std::uint64_t size_ = 0;
};

}  // namespace hop::nn::detail
