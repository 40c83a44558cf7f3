// TCP between processes of one machine. Other machines need a key: tls.h.
#pragma once

#include "net/transport.h"

namespace hop::net {

/// Listens and connects on `tcp:` addresses of the loopback interface (127.0.0.0/8, ::1, localhost); any other throws
/// ConfigError. Port 0 lets the system pick one. Nagle's algorithm is off.
class TcpTransport : public Transport {
 public:
  explicit TcpTransport(const Executor& executor) : executor_(executor) {}
  std::shared_ptr<Listener> listen(const Address& address) override;
  Awaitable<std::shared_ptr<Connection>> connect(Address address, Deadline deadline = kNever) override;

 private:
  Executor executor_;
};

}  // namespace hop::net
