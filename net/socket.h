// The common part of Unix-domain and TCP sockets: everything but their endpoints.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <filesystem>
#include <memory>

#include "net/transport.h"

namespace hop::net {

using SocketEndpoint = asio::generic::stream_protocol::endpoint;

/// Binds and listens. Listener::address() returns `address`, with a port 0 replaced by the port that the system picked.
/// `file` is removed when the listener closes. Throws NetError.
std::shared_ptr<Listener> listen_on_socket(const Executor& executor, const SocketEndpoint& endpoint,
                                           const Address& address, std::filesystem::path file = {});

/// Connects. Throws NetError or TimeoutError.
Awaitable<std::shared_ptr<Connection>> connect_to_socket(const Executor& executor, const SocketEndpoint& endpoint,
                                                         const Address& address, Deadline deadline);

}  // namespace hop::net
