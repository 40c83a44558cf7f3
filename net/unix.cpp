#include "net/unix.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "net/socket.h"

namespace hop::net {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxPathBytes = 107;      // sun_path holds 108 with the final zero
constexpr std::size_t kRoomForSocketName = 32;  // bytes that a SocketDirectory leaves for names

std::string octal(mode_t mode) {
  std::string digits;
  for (int shift = 9; shift >= 0; shift -= 3) digits += static_cast<char>('0' + ((mode >> shift) & 7U));
  return digits;
}

// Anybody who may enter the directory may connect, or replace our socket with another.
void check_private(const fs::path& directory) {
  struct stat status {};
  if (::stat(directory.c_str(), &status) != 0) {
    throw ConfigError("[unix] expected a directory for the socket, got " + directory.string() + ": " +
                      std::strerror(errno));
  }
  if (status.st_uid != ::geteuid()) {
    throw ConfigError("[unix] expected a directory of user " + std::to_string(::geteuid()) + ", got one of user " +
                      std::to_string(status.st_uid) + " (" + directory.string() + ")");
  }
  if ((status.st_mode & 077U) != 0) {
    throw ConfigError("[unix] expected a directory that only its owner may enter (mode 0700), got mode " +
                      octal(status.st_mode) + " (" + directory.string() + ")");
  }
}

SocketEndpoint endpoint_of(const Address& address) {
  address.require(Address::Scheme::kUnix);
  if (address.host.size() > kMaxPathBytes) {
    throw ConfigError("[unix] expected a socket path of at most " + std::to_string(kMaxPathBytes) + " bytes, got " +
                      std::to_string(address.host.size()) + " (" + address.host + ")");
  }
  const fs::path directory = fs::path(address.host).parent_path();
  check_private(directory.empty() ? "." : directory);
  return asio::local::stream_protocol::endpoint(address.host);
}

// The process of a socket directory holds a lock on it. If nobody holds the lock any more, the process is gone.
constexpr std::string_view kNameBegins = "hop-sockets-";
constexpr int kMaxTries = 100;

bool are_same(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

// Locks a directory and returns its descriptor, which holds the lock until it is closed. -1 if another process holds
// the lock, or if the directory is gone.
int lock_of(const fs::path& directory) {
  const int file = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return -1;
  struct stat locked {};
  struct stat named {};
  if (::flock(file, LOCK_EX | LOCK_NB) == 0 && ::fstat(file, &locked) == 0 && ::lstat(directory.c_str(), &named) == 0 &&
      are_same(locked, named)) {
    return file;
  }
  ::close(file);
  return -1;
}

bool is_ours(const fs::path& directory) {
  struct stat status {};
  return ::lstat(directory.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == ::geteuid() &&
         (status.st_mode & 0777U) == 0700U;
}

// Another process may have made its directory a moment ago, without a lock yet, and may lose it here. It then makes
// another one.
void tidy_up(const fs::path& place) {
  std::error_code ignored;
  for (fs::directory_iterator it(place, ignored), end; !ignored && it != end; it.increment(ignored)) {
    if (!it->path().filename().string().starts_with(kNameBegins) || !is_ours(it->path())) continue;
    const int lock = lock_of(it->path());
    if (lock < 0) continue;
    std::error_code cannot;
    fs::remove_all(it->path(), cannot);
    ::close(lock);
  }
}

std::vector<fs::path> places_for_sockets() {
  std::vector<fs::path> places;
  if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime != nullptr && *runtime != 0) {
    places.emplace_back(runtime);
  }
  std::error_code none;
  if (const fs::path temporary = fs::temp_directory_path(none); !none) places.push_back(temporary);
  places.emplace_back("/tmp");  // the paths of the other places may be too long
  return places;
}

}  // namespace

SocketDirectory::SocketDirectory() {
  std::string reasons;
  for (const fs::path& place : places_for_sockets()) {
    std::string name = place / (std::string(kNameBegins) + "XXXXXX");
    const bool fits = name.size() + kRoomForSocketName <= kMaxPathBytes;
    if (fits && make(name)) {
      tidy_up(place);
      return;
    }
    reasons += "; " + place.string() + ": " + (fits ? std::strerror(errno) : "its path is too long");
  }
  throw NetError("[unix] expected a place for a directory of sockets, got none" + reasons);
}

bool SocketDirectory::make(const std::string& pattern) {
  for (int tries = 0; tries < kMaxTries; ++tries) {
    std::string name = pattern;
    if (::mkdtemp(name.data()) == nullptr) return false;  // it makes it 0700
    lock_ = lock_of(name);
    path_ = name;
    // On a file system without locks no process tidies up.
    if (lock_ >= 0 || (errno != EWOULDBLOCK && fs::exists(path_))) return true;
  }
  return false;
}

void SocketDirectory::remove_abandoned() {
  for (const fs::path& place : places_for_sockets()) tidy_up(place);
}

SocketDirectory::~SocketDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

std::shared_ptr<Listener> UnixTransport::listen(const Address& address) {
  return listen_on_socket(executor_, endpoint_of(address), address, address.host);
}

Awaitable<std::shared_ptr<Connection>> UnixTransport::connect(Address address, Deadline deadline) {
  return connect_to_socket(executor_, endpoint_of(address), address, deadline);
}

}  // namespace hop::net
