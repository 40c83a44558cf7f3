#include "data/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace hop::data {
namespace {

[[noreturn]] void fail(const char* what, const std::filesystem::path& file) {
  throw DataError("[data] cannot " + std::string(what) + " " + file.string() + ": " +
                  std::generic_category().message(errno));
}

}  // namespace

std::filesystem::path temporary_name(const std::filesystem::path& path) {
  static std::atomic<unsigned> counter{0};
  std::filesystem::path name = path;
  name += ".partial-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
  return name;
}

void sync_folder(const std::filesystem::path& folder) {
  const std::filesystem::path name = folder.empty() ? "." : folder;
  const int fd = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail("open folder", name);
  const int result = ::fsync(fd);
  ::close(fd);
  if (result != 0) fail("sync folder", name);
}

AtomicFile::AtomicFile(std::filesystem::path target) : target_(std::move(target)), temporary_(temporary_name(target_)) {
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) fail("create", temporary_);
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write_at(std::uint64_t offset, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("write", temporary_);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) fail("sync", temporary_);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("rename to", target_);
  ::close(std::exchange(fd_, -1));
  sync_folder(target_.parent_path());
}

void write_file_atomically(const std::filesystem::path& file, ByteView bytes) {
  AtomicFile out(file);
  out.write_at(0, bytes);
  out.commit();
}

}  // namespace hop::data
