#include "net/tcp.h"

#include <boost/asio/ip/tcp.hpp>

#include "base/error.h"
#include "net/socket.h"

namespace hop::net {
namespace {

SocketEndpoint endpoint_of(const Address& address) {
  address.require(Address::Scheme::kTcp);
  boost::system::error_code code;
  const std::string numbers = address.host == "localhost" ? "127.0.0.1" : address.host;
  const asio::ip::address host = asio::ip::make_address(numbers, code);
  if (code || !host.is_loopback()) {
    throw ConfigError("[tcp] expected a loopback address (127.0.0.0/8, ::1 or localhost), got " + address.text() +
                      ": other machines need the key of a run (tls:)");
  }
  return asio::ip::tcp::endpoint(host, address.port);
}

}  // namespace

std::shared_ptr<Listener> TcpTransport::listen(const Address& address) {
  return listen_on_socket(executor_, endpoint_of(address), address);
}

Awaitable<std::shared_ptr<Connection>> TcpTransport::connect(Address address, Deadline deadline) {
  return connect_to_socket(executor_, endpoint_of(address), address, deadline);
}

}  // namespace hop::net
