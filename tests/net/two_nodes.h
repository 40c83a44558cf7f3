// Two nodes for the tests: a server and a client over any transport, on one thread or on two.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <utility>

#include "base/error.h"
#include "net/event.h"
#include "net/memory.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/unix.h"

namespace hop::net::testing {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Peer = std::shared_ptr<Connection>;

/// How the two nodes are wired.
struct Wiring {
  Address::Scheme scheme;
  bool two_threads;

  std::string name() const {
    const std::string transport = scheme == Address::Scheme::kUnix  ? "Unix"
                                  : scheme == Address::Scheme::kTcp ? "Tcp"
                                  : scheme == Address::Scheme::kTls ? "Tls"
                                                                    : "Memory";
    return transport + (two_threads ? "TwoThreads" : "OneThread");
  }
};
/// Every transport, with both nodes on one thread and with a thread for each.
inline auto every_wiring() {
  return ::testing::Values(Wiring{Address::Scheme::kUnix, false}, Wiring{Address::Scheme::kUnix, true},
                           Wiring{Address::Scheme::kTcp, false}, Wiring{Address::Scheme::kTcp, true},
                           Wiring{Address::Scheme::kTls, false}, Wiring{Address::Scheme::kTls, true},
                           Wiring{Address::Scheme::kMemory, false}, Wiring{Address::Scheme::kMemory, true});
}
inline std::string name_of(const ::testing::TestParamInfo<Wiring>& wiring) { return wiring.param.name(); }
inline void PrintTo(const Wiring& wiring, std::ostream* out) { *out << wiring.name(); }

class TwoNodes {
 public:
  explicit TwoNodes(const Wiring& wiring) : wiring_(wiring) {
    server_ = make_transport_on(server_context_);
    client_ = make_transport_on(client_context());
  }

  /// An address where nobody listens yet.
  Address address(const std::string& name = "node") const {
    if (wiring_.scheme == Address::Scheme::kUnix) return directory_.address(name);
    if (wiring_.scheme == Address::Scheme::kMemory) return Address::memory(name);
    return {.scheme = wiring_.scheme, .host = "127.0.0.1", .port = 0};
  }

  Transport& server() { return *server_; }
  Transport& client() { return *client_; }
  asio::io_context& server_context() { return server_context_; }
  asio::io_context& client_context() { return wiring_.two_threads ? client_context_ : server_context_; }

  /// Runs both coroutines to their end and throws what either of them threw (the server's error first).
  void run(Awaitable<void> server, Awaitable<void> client) {
    std::exception_ptr server_error, client_error;
    asio::co_spawn(server_context(), std::move(server), [&](std::exception_ptr e) { server_error = e; });
    asio::co_spawn(client_context(), std::move(client), [&](std::exception_ptr e) { client_error = e; });
    std::jthread second;
    if (wiring_.two_threads) second = std::jthread([this] { run_to_end(client_context_); });
    run_to_end(server_context_);
    if (second.joinable()) second.join();
    if (server_error) std::rethrow_exception(server_error);
    if (client_error) std::rethrow_exception(client_error);
  }

  /// Connects the two; each role has its end of the connection, and lets go of it when it returns.
  using Role = std::function<Awaitable<void>(Peer)>;
  void talk(const Role& server, const Role& client) {
    const auto listener = server_->listen(address());
    run(accept_and(server, listener), connect_and(client, listener->address()));
  }

 private:
  Awaitable<void> accept_and(const Role& role, std::shared_ptr<Listener> listener) {
    co_await role(co_await listener->accept(deadline_in(seconds(20))));
  }
  Awaitable<void> connect_and(const Role& role, Address to) {
    co_await role(co_await client_->connect(to, deadline_in(seconds(20))));
  }

  static void run_to_end(asio::io_context& context) {
    context.restart();
    context.run_for(seconds(60));
    EXPECT_TRUE(context.stopped()) << "something waits for ever";
  }

  std::unique_ptr<Transport> make_transport_on(asio::io_context& context) {
    if (wiring_.scheme == Address::Scheme::kTls) return std::make_unique<TlsTransport>(context.get_executor(), key_);
    if (wiring_.scheme != Address::Scheme::kMemory) return make_transport(wiring_.scheme, context.get_executor());
    return std::make_unique<MemoryTransport>(context.get_executor(), network_);
  }

  Wiring wiring_;
  RunKey key_ = RunKey::random();
  SocketDirectory directory_;
  std::shared_ptr<MemoryNetwork> network_ = std::make_shared<MemoryNetwork>();
  asio::io_context server_context_;
  asio::io_context client_context_;
  std::unique_ptr<Transport> server_;
  std::unique_ptr<Transport> client_;
};

/// Something that happens once, on any thread, and that one coroutine waits for.
class Gate {
 public:
  explicit Gate(const Executor& waiter) : event_(waiter) {}
  void open() {
    open_ = true;
    event_.notify();
  }
  Awaitable<void> passed() {
    while (!open_) co_await event_.wait();
  }

 private:
  std::atomic<bool> open_ = false;
  Event event_;
};

/// Bytes in which a piece in the wrong place shows.
inline AlignedBuffer pattern(std::size_t size, std::uint64_t seed = 1) {
  AlignedBuffer bytes(size);
  for (std::size_t i = 0; i + 8 <= size; i += 8) {
    const std::uint64_t word = (seed + i) * 0x9E3779B97F4A7C15U;
    std::memcpy(bytes.data() + i, &word, 8);
  }
  return bytes;
}

inline bool same(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

/// The error of `operation`, as text with its kind in front: "TimeoutError: ...", "NetError: ...", or "nothing".
template <class T>
Awaitable<std::string> error_of(Awaitable<T> operation) {
  try {
    co_await std::move(operation);
  } catch (const TimeoutError& error) {
    co_return std::string("TimeoutError: ") + error.what();
  } catch (const NetError& error) {
    co_return std::string("NetError: ") + error.what();
  } catch (const ConfigError& error) {
    co_return std::string("ConfigError: ") + error.what();
  }
  co_return "nothing";
}

inline std::string text_of(const Message& message) { return std::string(as_text(message.control.span())); }

}  // namespace hop::net::testing
