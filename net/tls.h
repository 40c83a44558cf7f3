// TCP between machines, under the key of a run.
#pragma once

#include <memory>

#include "net/key.h"
#include "net/transport.h"

namespace hop::net {

class TlsContext;

/// Listens and connects on `tls:` addresses, at any interface. Both sides must hold the same key; TlsContext says which
/// TLS that is.
///
/// The handshake is a part of the first read and of the first write on a connection. So the patience of that read or
/// write limits it, and accept() never waits for a stranger. Nothing that a peer sends is handed on before the peer has
/// proven that it holds the key. A peer without the key ends only its own connection, with a NetError that says why.
class TlsTransport : public Transport {
 public:
  TlsTransport(const Executor& executor, const RunKey& key);
  std::shared_ptr<Listener> listen(const Address& address) override;
  /// The host may be a name; its addresses are tried in the order that the system gives.
  Awaitable<std::shared_ptr<Connection>> connect(Address address, Deadline deadline = kNever) override;

 private:
  Executor executor_;
  std::shared_ptr<const TlsContext> listener_, caller_;
};

}  // namespace hop::net
