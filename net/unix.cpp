#include "net/unix.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "net/socket.h"

namespace hop::net {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxPathBytes = 107;      // sun_path holds 108 with the final zero
constexpr std::size_t kRoomForSocketName = 32;  // what a SocketDirectory leaves for names

std::string octal(mode_t mode) {
  std::string digits;
  for (int shift = 9; shift >= 0; shift -= 3) digits += static_cast<char>('0' + ((mode >> shift) & 7U));
  return digits;
}

// Whoever may enter the directory may connect, or put a socket of his own in the place of ours.
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

std::vector<fs::path> places_for_sockets() {
  std::vector<fs::path> places;
  if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime != nullptr && *runtime != 0) {
    places.emplace_back(runtime);
  }
  std::error_code none;
  if (const fs::path temporary = fs::temp_directory_path(none); !none) places.push_back(temporary);
  places.emplace_back("/tmp");  // the others may be too long
  return places;
}

constexpr const char* kPrefix = "hops-";

// The directory itself is locked; the kernel lets go when the process is gone, however it went.
Descriptor try_lock(const fs::path& directory) {
  Descriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.get() >= 0 && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) fd.close();
  return fd;
}

void remove_abandoned(const fs::path& place) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(place, ignored)) {
    struct stat info {};
    const fs::path& path = entry.path();
    if (!path.filename().string().starts_with(kPrefix) || ::lstat(path.c_str(), &info) != 0) continue;
    if (!S_ISDIR(info.st_mode) || info.st_uid != ::geteuid()) continue;
    if (const Descriptor lock = try_lock(path); lock.get() >= 0) fs::remove_all(path, ignored);
  }
}

}  // namespace

SocketDirectory::SocketDirectory() {
  std::string reasons;
  for (const fs::path& place : places_for_sockets()) {
    const std::string pattern = place / (std::string(kPrefix) + "XXXXXX");
    const bool fits = pattern.size() + kRoomForSocketName <= kMaxPathBytes;
    if (fits) remove_abandoned(place);
    for (std::string name = pattern; fits && ::mkdtemp(name.data()) != nullptr; name = pattern) {
      path_ = name;  // mkdtemp made it 0700
      lock_ = try_lock(path_);
      if (fs::exists(path_)) return;  // else a neighbour took it for an abandoned one, before it was locked
    }
    reasons += "; " + place.string() + ": " + (fits ? std::strerror(errno) : "its path is too long");
  }
  throw NetError("[unix] expected a place for a directory of sockets, got none" + reasons);
}

SocketDirectory::~SocketDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::shared_ptr<Listener> UnixTransport::listen(const Address& address) {
  return listen_on_socket(executor_, endpoint_of(address), address, address.host);
}

Awaitable<std::shared_ptr<Connection>> UnixTransport::connect(Address address, Deadline deadline) {
  return connect_to_socket(executor_, endpoint_of(address), address, deadline);
}

}  // namespace hop::net
