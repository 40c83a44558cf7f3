// Only processes that know a run's secret may talk in it, and nobody hears the secret from them.
#include "hopper/detail/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "tests/net/two_nodes.h"

namespace hop::hopper {
namespace {

using namespace std::chrono_literals;
using net::Awaitable;
using Line = net::testing::Peer;
using net::testing::TwoNodes;
using net::testing::Wiring;
using ::testing::HasSubstr;
namespace asio = net::asio;

constexpr Wiring kTcp{net::Address::Scheme::kTcp, false};
const std::string kSecret = "0123456789abcdef0123456789abcdef";

const message::Hello kHello{{WorkerId(3), Incarnation(2)}, "x86-64-v3", "00112233aabbccdd", {}};

net::Deadline soon() { return net::deadline_in(5s); }

struct Outcomes {
  std::string host = "nothing", caller = "nothing";
  message::Hello hello;
};

template <class T>
Awaitable<void> record(std::string& error, Awaitable<T> operation) {
  try {
    co_await std::move(operation);
  } catch (const RefusedError& e) {
    error = std::string("RefusedError: ") + e.what();
  } catch (const NetError& e) {
    error = std::string("NetError: ") + e.what();
  }
}

Outcomes meet(const std::string& hosts_secret, const std::string& callers_secret,
              HostRole hosts_role = HostRole::Worker, HostRole callers_role = HostRole::Worker) {
  Outcomes outcomes;
  TwoNodes nodes(kTcp);
  const auto host = [&](Line peer) -> Awaitable<void> {
    const auto listen = [&]() -> Awaitable<void> {
      outcomes.hello = co_await examine(peer, hosts_role, hosts_secret, soon());
      co_await peer->send(77, {});
    };
    co_await record(outcomes.host, listen());
  };
  const auto caller = [&](Line peer) -> Awaitable<void> {
    const auto call = [&]() -> Awaitable<void> {
      co_await introduce_self(peer, callers_role, callers_secret, kHello, soon());
      const net::Message next = co_await peer->receive(soon());
      if (next.kind != 77) expect<message::Welcome>(next);  // throws
    };
    co_await record(outcomes.caller, call());
  };
  nodes.talk(host, caller);
  return outcomes;
}

TEST(Handshake, LetsThoseTalkWhoKnowTheSecret) {
  const Outcomes both = meet(kSecret, kSecret);
  EXPECT_EQ(both.host, "nothing");
  EXPECT_EQ(both.caller, "nothing");
  EXPECT_EQ(both.hello.peer, kHello.peer);
  EXPECT_EQ(both.hello.isa, kHello.isa);
  EXPECT_EQ(both.hello.library, kHello.library);
}

TEST(Handshake, RefusesACallerWithAnotherSecretAndTellsIt) {
  for (const std::string& wrong : {std::string(), std::string("guess"), kSecret + "0"}) {
    // The caller would notice first that the host knows another secret: this one goes on all the same.
    TwoNodes nodes(kTcp);
    std::string host_error = "nothing";
    const auto host = [&](Line peer) -> Awaitable<void> {
      co_await record(host_error, examine(peer, HostRole::Coordinator, kSecret, soon()));
    };
    const auto caller = [&](Line peer) -> Awaitable<void> {
      co_await send(peer, kHello);
      co_await receive<message::Challenge>(peer, soon());
      const message::Answered guess{{1, 2, 3, wrong.size()}};
      co_await send(peer, guess);
      const auto answer = co_await receive<message::Refused>(peer, soon());
      EXPECT_THAT(answer.reason, HasSubstr("secret"));
    };
    nodes.talk(host, caller);
    EXPECT_THAT(host_error, HasSubstr("does not know this run's secret"));
  }
}

TEST(Handshake, KeepsACallerFromAHostWithAnotherSecret) {
  const Outcomes both = meet("another", kSecret);
  EXPECT_THAT(both.caller, HasSubstr("the process at this address does not know the run's secret"));
  EXPECT_NE(both.host, "nothing");
}

TEST(Handshake, TellsTheDoorOfTheCoordinatorFromThatOfAWorker) {
  const Outcomes both = meet(kSecret, kSecret, HostRole::Worker, HostRole::Coordinator);
  EXPECT_THAT(both.caller, HasSubstr("does not know")) << "a proof for one role is none for the other";
}

// A stranger answers with whatever a host has said before: its challenge to this very caller, say.
TEST(Handshake, TakesNoProofThatWasPlayedBackOrSentBack) {
  TwoNodes nodes(kTcp);
  std::vector<std::string> errors;
  const auto listener = nodes.server().listen(nodes.address());
  std::optional<message::Bits256> old_proof;
  const auto serve = [&]() -> Awaitable<void> {
    for (int i = 0; i < 2; ++i) {
      const Line peer = co_await listener->accept();
      std::string error = "nothing";
      co_await record(error, examine(peer, HostRole::Worker, kSecret, soon()));
      errors.push_back(error);
    }
  };
  const auto call = [&]() -> Awaitable<void> {
    for (const bool sends_back : {true, false}) {
      const Line peer = co_await nodes.client().connect(listener->address());
      co_await send(peer, kHello);
      const auto challenge = co_await receive<message::Challenge>(peer, soon());
      const message::Answered answer{sends_back ? challenge.proof : *old_proof};
      old_proof = challenge.proof;
      co_await send(peer, answer);
      co_await peer->receive(soon());
    }
  };
  nodes.run(serve(), call());
  ASSERT_EQ(errors.size(), 2U);
  for (const std::string& error : errors) EXPECT_THAT(error, HasSubstr("does not know"));
}

TEST(Handshake, NamesTheProtocolVersionsThatDoNotMatch) {
  const std::string expected =
      "expected protocol version " + std::to_string(message::kProtocolVersion) + ", the worker speaks 99";
  TwoNodes nodes(kTcp);
  std::string host_error = "nothing";
  const auto host = [&](Line peer) -> Awaitable<void> {
    co_await record(host_error, examine(peer, HostRole::Coordinator, kSecret, soon()));
  };
  const auto caller = [&](Line peer) -> Awaitable<void> {
    message::Bytes hello = message::encode(kHello);
    for (std::size_t i = 0; i + 4 <= hello.size(); ++i) {  // the field that holds the version
      std::uint32_t value = 0;
      std::memcpy(&value, hello.data() + i, 4);
      if (value != message::kProtocolVersion || i % 4 != 0) continue;
      value = 99;
      std::memcpy(hello.data() + i, &value, 4);
      try {
        message::decode<message::Hello>(hello);
      } catch (const NetError& error) {
        if (std::string(error.what()).find("speaks 99") != std::string::npos) break;
      }
      std::memcpy(hello.data() + i, &message::kProtocolVersion, 4);  // it was another field
    }
    co_await peer->send(message::kKind<message::Hello>, hello);
    const auto answer = co_await receive<message::Refused>(peer, soon());
    EXPECT_THAT(answer.reason, HasSubstr(expected));
  };
  nodes.talk(host, caller);
  EXPECT_THAT(host_error, HasSubstr(expected));
}

// Everything that both sides put on the wire, as somebody in between reads it.
TEST(Handshake, NeverSaysTheSecret) {
  TwoNodes nodes(kTcp);
  const auto host_listener = nodes.server().listen(nodes.address());
  asio::ip::tcp::acceptor middle(nodes.server_context(), {asio::ip::make_address("127.0.0.1"), 0});
  const auto middle_address = net::Address::tcp("127.0.0.1", middle.local_endpoint().port());
  std::string overheard, error = "nothing";
  const auto pass_on = [&](asio::ip::tcp::socket& from, asio::ip::tcp::socket& to) -> Awaitable<void> {
    std::array<char, 4096> bytes;
    boost::system::error_code code;
    while (!code) {
      const std::size_t n =
          co_await from.async_read_some(asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, code));
      overheard.append(bytes.data(), n);
      if (n > 0)
        co_await asio::async_write(to, asio::buffer(bytes.data(), n), asio::redirect_error(asio::use_awaitable, code));
    }
    to.shutdown(asio::ip::tcp::socket::shutdown_send, code);
  };
  asio::ip::tcp::socket left(nodes.server_context()), right(nodes.server_context());
  const auto serve = [&]() -> Awaitable<void> {
    left = co_await middle.async_accept(asio::use_awaitable);
    right.connect({asio::ip::make_address("127.0.0.1"), host_listener->address().port});
    asio::co_spawn(nodes.server_context(), pass_on(left, right), asio::detached);
    asio::co_spawn(nodes.server_context(), pass_on(right, left), asio::detached);
    const Line peer = co_await host_listener->accept();
    co_await record(error, examine(peer, HostRole::Worker, kSecret, soon()));
    peer->close();
  };
  const auto call = [&]() -> Awaitable<void> {
    const Line peer = co_await nodes.client().connect(middle_address);
    co_await introduce_self(peer, HostRole::Worker, kSecret, kHello, soon());
    co_await net::testing::error_of(peer->receive(soon()));
  };
  nodes.run(serve(), call());
  EXPECT_EQ(error, "nothing");
  EXPECT_GT(overheard.size(), 200U);
  EXPECT_EQ(overheard.find(kSecret.substr(0, 8)), std::string::npos);
}

}  // namespace
}  // namespace hop::hopper
