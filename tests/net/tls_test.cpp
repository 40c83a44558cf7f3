// Who gets in through TLS and who does not. What every transport does is in transport_conformance_test and
// transport_failure_test: TLS runs there, too.
#include "net/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <string>
#include <thread>

#include "tests/net/largest_allocation.h"
#include "tests/net/two_nodes.h"

namespace hop::net {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using testing::error_of;
using ::testing::HasSubstr;
using testing::milliseconds;
using testing::pattern;
using testing::Peer;
using testing::same;
using testing::seconds;
using ::testing::StartsWith;

class Tls : public ::testing::Test {
 protected:
  /// What both ends say of a connection from a caller with the key `shown`, each of which sends a message and waits for
  /// one.
  std::pair<std::string, std::string> errors_with(const RunKey& shown) {
    TlsTransport caller(context.get_executor(), shown);
    std::string here, there;
    run(talk_once(listener->accept(), here), talk_once(caller.connect(listener->address()), there));
    return {here, there};
  }

  /// What the listener says of a peer that writes `bytes` and stays.
  std::string error_after(ByteView bytes) {
    asio::ip::tcp::socket raw(context);
    raw.connect(asio::ip::tcp::endpoint(asio::ip::make_address("127.0.0.1"), listener->address().port));
    if (!bytes.empty()) asio::write(raw, asio::buffer(bytes.data(), bytes.size()));
    std::string error;
    run(receive_once(error), nothing());
    return error;
  }

  Awaitable<void> receive_once(std::string& error) {
    const Peer peer = co_await listener->accept();
    error = co_await error_of(peer->receive_small(1024, deadline_in(milliseconds(300))));
  }
  static Awaitable<void> talk_once(Awaitable<Peer> meet, std::string& error) {
    const Peer peer = co_await std::move(meet);
    const auto both = [&]() -> Awaitable<void> {
      co_await peer->send(1, as_bytes("hello"), {}, deadline_in(seconds(20)));
      co_await peer->receive(deadline_in(seconds(20)));
    };
    error = co_await error_of(both());
  }
  static Awaitable<void> nothing() { co_return; }
  void run(Awaitable<void> one, Awaitable<void> other) {
    asio::co_spawn(context, std::move(one), asio::detached);
    asio::co_spawn(context, std::move(other), asio::detached);
    context.restart();
    context.run_for(seconds(60));
    EXPECT_TRUE(context.stopped()) << "something waits for ever";
  }

  RunKey key = RunKey::random();
  asio::io_context context;
  TlsTransport transport{context.get_executor(), key};
  std::shared_ptr<Listener> listener = transport.listen(Address::tls("127.0.0.1", 0));
};

TEST_F(Tls, LetsInWhoHasTheKey) {
  EXPECT_EQ(errors_with(RunKey::of(key.bytes())), std::pair(std::string("nothing"), std::string("nothing")));
}

TEST_F(Tls, RefusesAnotherKeyAndSaysSoOnBothSides) {
  AlignedBuffer almost(RunKey::kBytes);
  std::ranges::copy(key.bytes(), almost.data());
  almost.data()[31] ^= std::byte{1};
  const auto [here, there] = errors_with(RunKey::of(almost.span()));
  EXPECT_THAT(here, HasSubstr("the peer has another key than this run"));
  EXPECT_THAT(there, HasSubstr("refused: the listener has another key"));
}

TEST_F(Tls, RefusesPlainText) {
  for (const std::string_view talk : {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "SSH-2.0-OpenSSH_9.2p1\r\n",
                                      "zzzzzzzzzzzzzzzz", "HOPSzzzzzzzzzzzzzzzzzz"}) {
    EXPECT_THAT(error_after(as_bytes(talk)), HasSubstr("the peer speaks no TLS")) << talk;
  }
}

TEST_F(Tls, WaitsNoLongerThanItsPatienceForASilentPeer) {
  EXPECT_THAT(error_after({}), HasSubstr("the deadline passed"));
  EXPECT_THAT(error_after(as_bytes("\x16\x03\x01")), HasSubstr("the deadline passed")) << "a hello that stops";
}

// A client of another program, with OpenSSL's own socket and none of our code.
class Stranger {
 public:
  explicit Stranger(std::uint16_t port) : socket_(context_) {
    socket_.connect(asio::ip::tcp::endpoint(asio::ip::make_address("127.0.0.1"), port));
    SSL_CTX_set_verify(settings, SSL_VERIFY_NONE, nullptr);  // it would believe anybody
  }
  ~Stranger() { SSL_CTX_free(settings); }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

  bool gets_in() {
    SSL* session = SSL_new(settings);
    SSL_set_fd(session, socket_.native_handle());
    const bool connected = SSL_connect(session) == 1;
    SSL_free(session);
    return connected;
  }

  SSL_CTX* settings = SSL_CTX_new(TLS_client_method());

 private:
  asio::io_context context_;
  asio::ip::tcp::socket socket_;
};

std::string error_of_a_stranger(Listener& listener, asio::io_context& context, Stranger& stranger) {
  std::string error;
  const auto serve = [&]() -> Awaitable<void> {
    const Peer peer = co_await listener.accept();
    error = co_await error_of(peer->receive_small(1024, deadline_in(seconds(10))));
  };
  asio::co_spawn(context, serve(), asio::detached);
  context.restart();
  std::jthread other([&] { EXPECT_FALSE(stranger.gets_in()); });
  context.run_for(seconds(20));
  return error;
}

TEST_F(Tls, RefusesAClientWithoutAKey) {
  Stranger stranger(listener->address().port);
  EXPECT_THAT(error_of_a_stranger(*listener, context, stranger), HasSubstr("speaks TLS without the key of this run"));
}

TEST_F(Tls, RefusesOlderVersions) {
  Stranger stranger(listener->address().port);
  SSL_CTX_set_max_proto_version(stranger.settings, TLS1_2_VERSION);
  EXPECT_THAT(error_of_a_stranger(*listener, context, stranger), HasSubstr("speaks TLS without the key of this run"));
}

TEST_F(Tls, RefusesAKeyUnderAnotherName) {
  Stranger stranger(listener->address().port);
  SSL_CTX_set_psk_client_callback(
      stranger.settings,
      [](SSL*, const char*, char* identity, unsigned size, unsigned char* bytes, unsigned) -> unsigned {
        std::snprintf(identity, size, "%s", "somebody");
        std::fill_n(bytes, RunKey::kBytes, static_cast<unsigned char>(0));
        return RunKey::kBytes;
      });
  EXPECT_THAT(error_of_a_stranger(*listener, context, stranger), HasSubstr("speaks TLS without the key of this run"));
}

// Everything that crosses the wire, seen by somebody in between.
TEST_F(Tls, SaysNothingInPlainText) {
  asio::ip::tcp::acceptor spy(context, asio::ip::tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
  std::string seen;
  const auto relay = [&](asio::ip::tcp::socket& from, asio::ip::tcp::socket& to) -> Awaitable<void> {
    std::array<char, 4096> bytes;
    boost::system::error_code end;
    while (true) {
      const std::size_t got =
          co_await from.async_read_some(asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, end));
      if (end) break;
      seen.append(bytes.data(), got);
      co_await asio::async_write(to, asio::buffer(bytes.data(), got), asio::redirect_error(asio::use_awaitable, end));
    }
    to.shutdown(asio::ip::tcp::socket::shutdown_send, end);
  };
  asio::ip::tcp::socket caller_side(context), listener_side(context);
  const auto listen_in = [&]() -> Awaitable<void> {
    caller_side = co_await spy.async_accept(asio::use_awaitable);
    co_await listener_side.async_connect(
        asio::ip::tcp::endpoint(asio::ip::make_address("127.0.0.1"), listener->address().port), asio::use_awaitable);
    asio::co_spawn(context, relay(listener_side, caller_side), asio::detached);
    co_await relay(caller_side, listener_side);
  };
  const std::string secret(3000, 'w');
  const auto serve = [&]() -> Awaitable<void> {
    const Peer peer = co_await listener->accept();
    const Message message = co_await peer->receive();
    EXPECT_EQ(testing::text_of(message), secret);
    co_await peer->send(2, as_bytes(secret));
  };
  const auto call = [&]() -> Awaitable<void> {
    const Peer peer = co_await transport.connect(Address::tls("127.0.0.1", spy.local_endpoint().port()));
    co_await peer->send(1, as_bytes(secret));
    EXPECT_EQ(testing::text_of(co_await peer->receive()), secret);
  };
  asio::co_spawn(context, listen_in(), asio::detached);
  run(serve(), call());
  EXPECT_GT(seen.size(), 2 * secret.size());
  EXPECT_EQ(seen.find("wwww"), std::string::npos);
  EXPECT_EQ(seen.find("HOP"), std::string::npos) << "not even that it is a frame";
  EXPECT_EQ(seen.find(std::string(as_text(key.bytes()).substr(0, 8))), std::string::npos);
}

// A bit that flips on its way ends the connection: nothing damaged is handed on.
TEST_F(Tls, EndsAtTheFirstDamagedByte) {
  for (const std::size_t damaged : {5UL, 60UL, 300UL, 700UL, 2000UL}) {
    asio::ip::tcp::acceptor between(context, asio::ip::tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
    asio::ip::tcp::socket caller_side(context), listener_side(context);
    std::size_t passed = 0;
    const auto relay = [&](asio::ip::tcp::socket& from, asio::ip::tcp::socket& to, bool damages) -> Awaitable<void> {
      std::array<char, 1024> bytes;
      boost::system::error_code end;
      while (true) {
        const std::size_t got =
            co_await from.async_read_some(asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, end));
        if (end) break;
        if (damages && passed <= damaged && damaged < passed + got) bytes[damaged - passed] ^= 4;
        passed += damages ? got : 0;
        co_await asio::async_write(to, asio::buffer(bytes.data(), got), asio::redirect_error(asio::use_awaitable, end));
        if (end) break;
      }
      to.close(end);
      from.close(end);
    };
    const auto meddle = [&]() -> Awaitable<void> {
      caller_side = co_await between.async_accept(asio::use_awaitable);
      co_await listener_side.async_connect(
          asio::ip::tcp::endpoint(asio::ip::make_address("127.0.0.1"), listener->address().port), asio::use_awaitable);
      asio::co_spawn(context, relay(listener_side, caller_side, false), asio::detached);
      co_await relay(caller_side, listener_side, true);
    };
    std::string error;
    const auto serve = [&]() -> Awaitable<void> {
      const Peer peer = co_await listener->accept();
      const auto take = [&]() -> Awaitable<void> {
        const Message message = co_await peer->receive(deadline_in(seconds(5)));
        AlignedBuffer into(message.payload_bytes);
        co_await peer->receive_payload(into.span(), deadline_in(seconds(5)));
      };
      error = co_await error_of(take());
    };
    const AlignedBuffer payload = pattern(8000);
    const auto call = [&]() -> Awaitable<void> {
      const Peer peer = co_await transport.connect(Address::tls("127.0.0.1", between.local_endpoint().port()));
      co_await error_of(peer->send(1, {}, payload.span(), deadline_in(seconds(5))));
      co_await error_of(peer->receive(deadline_in(seconds(5))));
    };
    asio::co_spawn(context, meddle(), asio::detached);
    run(serve(), call());
    EXPECT_THAT(error, AllOf(StartsWith("NetError: "), ::testing::Not(HasSubstr("nothing")))) << damaged;
  }
}

TEST_F(Tls, StrangersCostLittleMemory) {
  testing::forget_allocations();
  error_after(as_bytes("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_LT(testing::largest_allocation(), 300'000U);
}

TEST_F(Tls, CarriesStatesInBothDirectionsAtOnce) {
  const AlignedBuffer state = pattern(5'000'003);
  const auto exchange = [&](Awaitable<Peer> meet) -> Awaitable<void> {
    const Peer peer = co_await std::move(meet);
    asio::co_spawn(context, peer->send(1, as_bytes("state"), state.span()), asio::detached);
    const Message message = co_await peer->receive();
    AlignedBuffer into(message.payload_bytes);
    co_await peer->receive_payload(into.span());
    EXPECT_TRUE(same(into.span(), state.span()));
    co_await peer->send(2, {});
    co_await peer->receive();
  };
  run(exchange(listener->accept()), exchange(transport.connect(listener->address())));
}

TEST_F(Tls, FindsHostsByName) {
  TlsTransport caller(context.get_executor(), key);
  std::string here, there;
  run(talk_once(listener->accept(), here),
      talk_once(caller.connect(Address::tls("localhost", listener->address().port)), there));
  EXPECT_EQ(there, "nothing");
  std::string missing;
  const auto call = [&]() -> Awaitable<void> {
    missing = co_await error_of(caller.connect(Address::tls("no-such-host.invalid", 1)));
  };
  run(call(), nothing());
  EXPECT_THAT(missing, HasSubstr("cannot find the host of tls:no-such-host.invalid:1"));
}

TEST_F(Tls, ListensAtInterfacesAlone) {
  EXPECT_THROW(transport.listen(Address::tls("node-3", 0)), ConfigError);
  EXPECT_THROW(transport.listen(Address::tcp("127.0.0.1", 0)), ConfigError);
  EXPECT_NO_THROW(transport.listen(Address::tls("0.0.0.0", 0)));
}

}  // namespace
}  // namespace hop::net
