// Files that exist whole or not at all, also after a power cut. Every durable file except the journal is written here,
// so one place knows the order: bytes, fsync, rename, fsync of the folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/bytes.h"

namespace hop {

/// Which error a file operation throws: each floor has its own. The message names the path and the system's reason.
using Raise = void (*)(const std::string& message);
template <class E>
void raise(const std::string& message) {
  throw E(message);
}

/// An open file descriptor, closed on destruction.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  int get() const { return fd_; }
  /// Closes now. False if the system reports an error: this is the last chance to hear of a failed write.
  bool close();

 private:
  int fd_;
};

enum class Sync : bool { no, yes };

/// Written under a temporary name in the folder of its target (`<target>.partial-<pid>-<n>`), and renamed by commit().
/// A target that is a symbolic link stays a link: the file behind it is replaced. A target that is no regular file (a
/// device, a pipe, a folder) is refused.
class AtomicFile {
 public:
  AtomicFile(const std::filesystem::path& target, Raise raise);
  /// Removes the temporary file unless commit() was called.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends `bytes`.
  void write(ByteView bytes);
  void write_at(std::uint64_t offset, ByteView bytes);
  /// Gives the file its name, in place of any older one. With `sync` it survives a power cut from then on.
  void commit(Sync sync = Sync::yes);
  const std::filesystem::path& temporary() const { return temporary_; }

 private:
  Raise raise_;
  std::filesystem::path target_, temporary_;
  Descriptor fd_;
  std::uint64_t end_ = 0;
  bool committed_ = false;
};

/// Writes `bytes` to `file` as a whole, durably.
void write_file_atomically(const std::filesystem::path& file, ByteView bytes, Raise raise);

/// Writes to a path that a person chose. A regular file or a new name is written as by write_file_atomically; a pipe or
/// a device is written directly.
void write_output(const std::filesystem::path& file, ByteView bytes, Raise raise);

/// Makes the entries of `folder` durable: a rename is lost in a power cut until its folder is synced. "" is ".".
void sync_folder(const std::filesystem::path& folder, Raise raise);

/// Makes the bytes of a file durable that other code wrote.
void sync_file(const std::filesystem::path& file, Raise raise);

/// Creates a folder and its missing parents, durably. The folders that it creates get `mode`.
void create_folder(const std::filesystem::path& path, Raise raise, unsigned mode = 0777);

/// `path` with a suffix that no other living process of this machine uses.
std::filesystem::path temporary_name(const std::filesystem::path& path);
/// Whether this is the name of a temporary file: left by a writer that was killed, or in use by a living one.
bool is_temporary_name(const std::filesystem::path& path);

/// `path` without slashes and "." at its end: "runs/a/" and "runs/a/." are "runs/a".
std::filesystem::path without_trailing_slash(std::filesystem::path path);

/// How many times this process has told a disk to keep something (fsync of a file or folder): for tests.
std::uint64_t durable_syncs();

}  // namespace hop
