#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include "base/error.h"
#include "data/scratch_file_internal.h"

namespace hop::data {
namespace {

[[noreturn]] void fail(const char* what, const std::filesystem::path& folder, int error) {
  throw DataError(std::string("[data] cannot ") + what + " a temporary file for rows in " + folder.string() + ": " +
                  std::generic_category().message(error));
}

Descriptor nameless_file(const std::filesystem::path& folder) {
  std::string name = (folder / "hop-rows-XXXXXX").string();
  Descriptor file(::mkostemp(name.data(), O_CLOEXEC));
  if (file.get() < 0) fail("make", folder, errno);
  ::unlink(name.c_str());
  return file;
}

}  // namespace

void ScratchFile::write_at(std::uint64_t offset, ByteView bytes) {
  if (file_.get() < 0) file_ = nameless_file(folder_);
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("write", folder_, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
}

void ScratchFile::read_at(std::uint64_t offset, MutableByteView bytes) const {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail("read", folder_, got < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
}

std::filesystem::path scratch_beside(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  for (fs::path at = fs::absolute(folder); at.has_relative_path(); at = at.parent_path()) {
    if (fs::is_directory(at)) return at;
  }
  return {};
}

}  // namespace hop::data
