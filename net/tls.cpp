#include "net/tls.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/strand.hpp>

#include "base/error.h"
#include "net/run_on.h"
#include "net/socket.h"
#include "net/tls_stream.h"
#include "net/with_deadline.h"

namespace hop::net {
namespace {

using Endpoints = std::vector<asio::ip::tcp::endpoint>;

MakeStream through_tls(std::shared_ptr<const TlsContext> context) {
  return [context](StreamSocket socket) { return make_tls_stream(std::move(socket), context); };
}

Awaitable<Endpoints> look_up(Address address) {
  asio::ip::tcp::resolver resolver(co_await asio::this_coro::executor);
  boost::system::error_code code;
  const auto found = co_await resolver.async_resolve(address.host, std::to_string(address.port),
                                                     asio::redirect_error(asio::use_awaitable, code));
  if (code) throw NetError("[tls] cannot find the host of " + address.text() + ": " + code.message());
  Endpoints endpoints;
  for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  co_return endpoints;
}

// The first address of the host that answers.
Awaitable<std::shared_ptr<Connection>> connect_here(Executor executor, Address address, MakeStream make_stream,
                                                    Deadline deadline) {
  const Endpoints endpoints = co_await with_deadline(look_up(address), deadline, "look up " + address.text());
  for (std::size_t i = 0;; ++i) {
    try {
      co_return co_await connect_to_socket(executor, endpoints.at(i), address, deadline, make_stream);
    } catch (const TimeoutError&) {
      throw;
    } catch (const NetError&) {
      if (i + 1 == endpoints.size()) throw;
    }
  }
}

}  // namespace

TlsTransport::TlsTransport(const Executor& executor, const RunKey& key)
    : executor_(executor),
      listener_(std::make_shared<TlsContext>(key, TlsSide::kListener)),
      caller_(std::make_shared<TlsContext>(key, TlsSide::kCaller)) {}

std::shared_ptr<Listener> TlsTransport::listen(const Address& address) {
  address.require(Address::Scheme::kTls);
  boost::system::error_code code;
  const std::string numbers = address.host == "localhost" ? "127.0.0.1" : address.host;
  const asio::ip::address host = asio::ip::make_address(numbers, code);
  if (code) {
    throw ConfigError("[tls] expected the numbers of an interface to listen at (0.0.0.0 for all of them), got " +
                      address.text());
  }
  return listen_on_socket(executor_, asio::ip::tcp::endpoint(host, address.port), address, {}, through_tls(listener_));
}

Awaitable<std::shared_ptr<Connection>> TlsTransport::connect(Address address, Deadline deadline) {
  address.require(Address::Scheme::kTls);
  return run_on(executor_, connect_here(executor_, std::move(address), through_tls(caller_), deadline));
}

}  // namespace hop::net
