// Unix-domain sockets: how the processes of one machine and one user talk. The directory's mode keeps others out.
#pragma once

#include <filesystem>
#include <string>

#include "net/transport.h"

namespace hop::net {

/// A directory for sockets that only its owner may enter (0700), with a short random name (a socket's path has at most
/// 107 bytes): in $XDG_RUNTIME_DIR, else in the system's directory for temporary files. Removed with its contents when
/// the object dies. A killed process leaves its directory behind; the next SocketDirectory there removes it. Throws
/// NetError when no directory can be made.
class SocketDirectory {
 public:
  SocketDirectory();
  ~SocketDirectory();
  SocketDirectory(const SocketDirectory&) = delete;
  SocketDirectory& operator=(const SocketDirectory&) = delete;

  /// Removes the directories that killed processes left where this one would make its own.
  static void remove_abandoned();

  const std::filesystem::path& path() const { return path_; }
  /// The address of the socket `name` in this directory.
  Address address(const std::string& name) const { return Address::unix_socket(path_ / name); }

 private:
  bool make(const std::string& pattern);

  std::filesystem::path path_;
  int lock_ = -1;  // held as long as the directory is in use
};

/// Listens and connects on `unix:` addresses. Both throw ConfigError when the path is too long, when its directory
/// belongs to another user, or when others may enter it. A listener removes its socket's file when it closes.
class UnixTransport : public Transport {
 public:
  explicit UnixTransport(const Executor& executor) : executor_(executor) {}
  std::shared_ptr<Listener> listen(const Address& address) override;
  Awaitable<std::shared_ptr<Connection>> connect(Address address, Deadline deadline = kNever) override;

 private:
  Executor executor_;
};

}  // namespace hop::net
