#include "tests/fuzz/fuzz.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>

#include "base/error.h"
#include "tests/temporary_folder.h"

namespace hop::fuzz {

std::optional<std::string> refusal(const Target& target, ByteView input) {
  // Not a byte more is allocated, so that AddressSanitizer sees each byte that is read behind the end.
  const auto copy = std::make_unique_for_overwrite<std::byte[]>(input.size());
  std::ranges::copy(input, copy.get());
  try {
    target.run({copy.get(), input.size()});
  } catch (const Error& error) {
    return error.what();
  }
  return std::nullopt;
}

const std::filesystem::path& folder() {
  static const TemporaryFolder folder;
  return folder.path();
}

std::filesystem::path file(const std::filesystem::path& name, ByteView bytes) {
  std::filesystem::path path = folder() / name;
  std::filesystem::create_directories(path.parent_path());
  std::filesystem::remove(path);  // a new file: cutting an old one to nothing makes some file systems wait for the disk
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return path;
}

std::string read(const std::filesystem::path& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(bytes).str();
}

}  // namespace hop::fuzz
