// Files: positioned reads, and writes that appear whole or not at all. Every failure is a StateError with the path and
// the system's reason.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/bytes.h"

namespace hop::nn::detail {

/// An open file descriptor, closed on destruction.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return fd_; }
  /// Closes now and tells whether the system reported an error: the last chance to hear of a failed write.
  bool close();

 private:
  int fd_;
};

class InputFile {
 public:
  explicit InputFile(std::filesystem::path path);
  std::uint64_t size() const { return size_; }
  /// "models/3.hop", for messages.
  const std::filesystem::path& path() const { return path_; }
  /// Fills `bytes` from `offset`; StateError when the file ends before.
  void read(MutableByteView bytes, std::uint64_t offset) const;

 private:
  std::filesystem::path path_;
  Descriptor fd_;
  std::uint64_t size_ = 0;
};

/// Writes to a temporary name in the folder of `path`. commit() renames; without it the destructor removes the file.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  void write(ByteView bytes);
  /// With `sync`, file and folder are on the disk when this returns.
  void commit(bool sync);

 private:
  std::filesystem::path path_, temporary_;
  Descriptor fd_;
  bool committed_ = false;
};

}  // namespace hop::nn::detail
