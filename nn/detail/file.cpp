#include "nn/detail/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace hop::nn::detail {
namespace {

[[noreturn]] void fail(const char* action, const std::filesystem::path& path) {
  const std::string reason = std::generic_category().message(errno);
  throw StateError("[file] cannot " + std::string(action) + " " + path.string() + ": " + reason);
}

int open_for_reading(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("open", path);
  return fd;
}

// The first free name beside `path`: nobody else's file is overwritten, and a rename within a folder is atomic.
int create_beside(const std::filesystem::path& path, std::filesystem::path& temporary) {
  for (int i = 0;; ++i) {
    temporary = path.string() + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(i);
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) return fd;
    if (errno != EEXIST) fail("create", temporary);
  }
}

void sync_folder_of(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) fail("sync", folder);
}

}  // namespace

Descriptor::~Descriptor() { close(); }

bool Descriptor::close() {
  const int fd = std::exchange(fd_, -1);
  return fd < 0 || ::close(fd) == 0;
}

InputFile::InputFile(std::filesystem::path path) : path_(std::move(path)), fd_(open_for_reading(path_)) {
  struct stat info {};
  if (::fstat(fd_.get(), &info) != 0) fail("stat", path_);
  if (!S_ISREG(info.st_mode)) throw StateError("[file] expected a regular file, got " + path_.string());
  size_ = static_cast<std::uint64_t>(info.st_size);
}

void InputFile::read(MutableByteView bytes, std::uint64_t offset) const {
  while (!bytes.empty()) {
    const ssize_t n = ::pread(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path_);
    if (n == 0) {
      throw StateError("[file] expected " + std::to_string(bytes.size()) + " more bytes at " + std::to_string(offset) +
                       ", got the end of " + path_.string());
    }
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)), fd_(create_beside(path_, temporary_)) {}

AtomicFile::~AtomicFile() {
  if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::write(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", path_);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void AtomicFile::commit(bool sync) {
  if (sync && ::fsync(fd_.get()) != 0) fail("sync", path_);
  if (!fd_.close()) fail("close", path_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("rename to", path_);
  committed_ = true;
  if (sync) sync_folder_of(path_);
}

}  // namespace hop::nn::detail
