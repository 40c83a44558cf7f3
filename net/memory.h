// Connections between threads of one application: no port, no file descriptor, one copy from sender to receiver.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "net/transport.h"

namespace hop::net {

class MemoryBacklog;

/// The names that listen in one application. Shared by its threads; two networks know nothing of each other.
class MemoryNetwork {
 public:
  /// Takes a name; connections to it wake `acceptor`. Throws NetError when it is taken.
  std::shared_ptr<MemoryBacklog> open(const std::string& name, const Executor& acceptor);
  /// The listener of that name; null if there is none.
  std::shared_ptr<MemoryBacklog> find(const std::string& name) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::weak_ptr<MemoryBacklog>> listeners_;
};

/// Listens and connects on `memory:` addresses of one network. Each thread makes its own transport on its own executor,
/// an io_context with one or more threads (connections get strands). Close connections before their io_context is
/// destroyed.
class MemoryTransport : public Transport {
 public:
  MemoryTransport(const Executor& executor, std::shared_ptr<MemoryNetwork> network)
      : executor_(executor), network_(std::move(network)) {}
  std::shared_ptr<Listener> listen(const Address& address) override;
  Awaitable<std::shared_ptr<Connection>> connect(Address address, Deadline deadline = kNever) override;

 private:
  Executor executor_;
  std::shared_ptr<MemoryNetwork> network_;
};

}  // namespace hop::net
