#include "hopper/detail/link_speed.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <limits>
#include <memory>
#include <optional>
#include <thread>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "net/memory.h"
#include "net/tcp.h"
#include "net/unix.h"

namespace hop::hopper {
namespace {

using Peer = std::shared_ptr<net::Connection>;

constexpr std::uint16_t kKind = 1;  // both ends know what comes
constexpr int kEmpty = 20, kFull = 4;
constexpr double kFastest = 1e12;  // bytes a second: where a full message seemed to take no time
constexpr std::chrono::seconds kLongest{30};

// Answers each message with an empty one.
net::Awaitable<void> answer(std::shared_ptr<net::Listener> listener, AlignedBuffer& bytes) {
  const net::Deadline deadline = net::deadline_in(kLongest);
  const Peer peer = co_await listener->accept(deadline);
  for (int i = 0; i < kEmpty + kFull; ++i) {
    const net::Message message = co_await peer->receive(deadline);
    if (message.payload_bytes > 0) co_await peer->receive_payload(bytes.span(), deadline);
    co_await peer->send(kKind, {}, {}, deadline);
  }
  try {
    co_await peer->receive(deadline);  // waits for the end: a close may lose the last answer
  } catch (const NetError&) {
  }
}

// Seconds from a message to its answer.
net::Awaitable<double> ask(Peer peer, ByteView payload) {
  const net::Deadline deadline = net::deadline_in(kLongest);
  const Stopwatch watch;
  co_await peer->send(kKind, {}, payload, deadline);
  co_await peer->receive(deadline);
  co_return watch.seconds();
}

net::Awaitable<void> measure(net::Transport& transport, net::Address address, const AlignedBuffer& bytes,
                             simulate::Link& link) {
  const Peer peer = co_await transport.connect(address, net::deadline_in(kLongest));
  double empty = std::numeric_limits<double>::infinity(), full = empty;
  for (int i = 0; i < kEmpty; ++i) {
    const double seconds = co_await ask(peer, {});
    empty = std::min(empty, seconds);
  }
  for (int i = 0; i < kFull; ++i) {
    const double seconds = co_await ask(peer, bytes.span());
    full = std::min(full, seconds);
  }
  link.latency_seconds = empty / 2;
  const double of_bytes = std::max(full - empty, 1e-9);  // a clock has steps
  link.bytes_per_second = std::min(static_cast<double>(bytes.size()) / of_bytes, kFastest);
}

std::unique_ptr<net::Transport> make(net::Address::Scheme scheme, net::asio::io_context& context,
                                     const std::shared_ptr<net::MemoryNetwork>& network) {
  if (scheme != net::Address::Scheme::kMemory) return net::make_transport(scheme, context.get_executor());
  return std::make_unique<net::MemoryTransport>(context.get_executor(), network);
}

}  // namespace

simulate::Link measure_link(Hosting hosting, LocalTransport transport, std::uint64_t payload_bytes) {
  using Scheme = net::Address::Scheme;
  const Scheme scheme = hosting == Hosting::Threads         ? Scheme::kMemory
                        : transport == LocalTransport::Unix ? Scheme::kUnix
                                                            : Scheme::kTcp;
  std::optional<net::SocketDirectory> sockets;
  if (scheme == Scheme::kUnix) sockets.emplace();
  const net::Address address = scheme == Scheme::kUnix     ? sockets->address("link")
                               : scheme == Scheme::kMemory ? net::Address::memory("link")
                                                           : net::Address::tcp("127.0.0.1", 0);
  const AlignedBuffer sent(std::max<std::uint64_t>(payload_bytes, 1));
  AlignedBuffer got(sent.size());
  const auto network = std::make_shared<net::MemoryNetwork>();
  net::asio::io_context here(1), there(1);
  const auto own = make(scheme, here, network), others = make(scheme, there, network);
  const std::shared_ptr<net::Listener> listener = others->listen(address);

  simulate::Link link;
  std::exception_ptr error, error_there;
  net::asio::co_spawn(there, answer(listener, got), [&](std::exception_ptr e) { error_there = e; });
  net::asio::co_spawn(here, measure(*own, listener->address(), sent, link), [&](std::exception_ptr e) { error = e; });
  {
    const std::jthread second([&] { there.run(); });
    here.run();
  }
  listener->close();
  if (error) std::rethrow_exception(error);
  if (error_there) std::rethrow_exception(error_there);
  return link;
}

}  // namespace hop::hopper
