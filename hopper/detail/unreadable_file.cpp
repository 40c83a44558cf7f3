#include "hopper/detail/unreadable_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <system_error>
#include <vector>

#include "base/files.h"

namespace hop::hopper {

namespace fs = std::filesystem;

Unreadable::Unreadable(const fs::path& path, int reason)
    : StateError("[state] cannot read " + path.string() + ": " + std::generic_category().message(reason)),
      error(reason) {}

int why_unreadable(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return errno;
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  ssize_t got = 0;
  do {
    got = ::read(file.get(), buffer.data(), buffer.size());
  } while (got > 0 || (got < 0 && errno == EINTR));
  return got < 0 ? errno : 0;
}

std::string keep_damaged_file(const fs::path& path) {
  std::error_code error;
  fs::path kept = path.string() + ".damaged";
  for (int i = 2; fs::exists(kept, error); ++i) kept = path.string() + "." + std::to_string(i) + ".damaged";
  fs::rename(path, kept, error);
  return error ? "the file could not be renamed: " + error.message()
               : "the file is kept as " + kept.filename().string();
}

}  // namespace hop::hopper
