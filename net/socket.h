// The common part of Unix-domain, TCP and TLS sockets: everything but their endpoints and their streams.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <filesystem>
#include <functional>
#include <memory>

#include "net/stream.h"
#include "net/transport.h"

namespace hop::net {

using SocketEndpoint = asio::generic::stream_protocol::endpoint;
using StreamSocket = asio::generic::stream_protocol::socket;
/// Makes a stream on a connected socket.
using MakeStream = std::function<std::unique_ptr<Stream>(StreamSocket)>;

/// The bytes as they are.
std::unique_ptr<Stream> make_plain_stream(StreamSocket socket);

/// Binds and listens. Listener::address() returns `address`, with a port 0 replaced by the port that the system picked.
/// `file` is removed when the listener closes. Throws NetError.
std::shared_ptr<Listener> listen_on_socket(const Executor& executor, const SocketEndpoint& endpoint,
                                           const Address& address, std::filesystem::path file = {},
                                           MakeStream make_stream = make_plain_stream);

/// Connects. Throws NetError or TimeoutError.
Awaitable<std::shared_ptr<Connection>> connect_to_socket(const Executor& executor, const SocketEndpoint& endpoint,
                                                         const Address& address, Deadline deadline,
                                                         MakeStream make_stream = make_plain_stream);

}  // namespace hop::net
