#include "net/key.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/files.h"

namespace hop::net {
namespace {

constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;
constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& reason) {
  throw ConfigError("[key] " + file.string() + ": " + reason);
}

// A user who may read the key may join the run. A user who may write the key may put a key of his own there.
void check_owner(const Descriptor& opened, const std::filesystem::path& file) {
  struct stat status {};
  if (::fstat(opened.get(), &status) != 0) refuse(file, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) refuse(file, "expected a regular file");
  if (status.st_uid != ::geteuid()) {
    refuse(file, "expected a file of this user (" + std::to_string(::geteuid()) + "), it belongs to user " +
                     std::to_string(status.st_uid));
  }
  if ((status.st_mode & kOthers) != 0) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", status.st_mode & 07777U);
    refuse(file, "expected a file that nobody else may open (mode 0600), got mode " + std::string(mode) +
                     "; if the key is still secret: chmod 600 " + file.string());
  }
}

// Reads at most `into.size()` bytes; fewer at the end of the file.
std::size_t read_up_to(const Descriptor& opened, MutableByteView into, const std::filesystem::path& file) {
  std::size_t size = 0;
  while (size < into.size()) {
    const ssize_t got = ::read(opened.get(), into.data() + size, into.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse(file, std::strerror(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  return size;
}

void write_all(const Descriptor& opened, ByteView bytes, const std::filesystem::path& file) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(opened.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) refuse(file, std::strerror(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

}  // namespace

RunKey RunKey::random() {
  RunKey key;
  if (::getrandom(key.bytes_.data(), kBytes, 0) != static_cast<ssize_t>(kBytes)) {
    throw ConfigError("[key] the operating system gives no random numbers");
  }
  return key;
}

RunKey RunKey::of(ByteView bytes) {
  if (bytes.size() != kBytes) {
    throw ConfigError("[key] expected a key of " + std::to_string(kBytes) + " bytes, got " +
                      std::to_string(bytes.size()));
  }
  RunKey key;
  std::ranges::copy(bytes, key.bytes_.begin());
  return key;
}

RunKey RunKey::read(const std::filesystem::path& file) {
  const Descriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a pipe is refused, not awaited
  if (opened.get() < 0) refuse(file, std::string(std::strerror(errno)) + "; `hop key new FILE` makes a key");
  check_owner(opened, file);
  std::array<std::byte, kBytes + 1> bytes{};
  const std::size_t size = read_up_to(opened, bytes, file);
  RunKey key;
  std::ranges::copy(std::span(bytes).first(kBytes), key.bytes_.begin());
  OPENSSL_cleanse(bytes.data(), bytes.size());
  if (size != kBytes) {
    refuse(file, "expected the " + std::to_string(kBytes) + " bytes of a key, got " +
                     (size > kBytes ? "more" : std::to_string(size)) + "; `hop key new FILE` makes a key");
  }
  return key;
}

void RunKey::write_new(const std::filesystem::path& file) const {
  Descriptor opened(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kOwnerOnly));
  if (opened.get() < 0 && errno == EEXIST) {
    refuse(file, "exists already; runs that use this key would lose it, so choose another name");
  }
  if (opened.get() < 0) refuse(file, std::strerror(errno));
  write_all(opened, bytes_, file);
  if (::fsync(opened.get()) != 0 || !opened.close()) refuse(file, std::strerror(errno));
  sync_folder(file.parent_path(), raise<ConfigError>);
}

RunKey::~RunKey() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

}  // namespace hop::net
