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
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // opening a pipe of this name must not wait
  if (fd < 0) fail("open", path);
  return fd;
}

}  // namespace

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

}  // namespace hop::nn::detail
