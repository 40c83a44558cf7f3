// Every transport fails in the same way, with both nodes on one thread and with a thread for each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "net/with_deadline.h"
#include "tests/net/two_nodes.h"

namespace hop::net {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using testing::error_of;
using testing::Gate;
using ::testing::HasSubstr;
using testing::milliseconds;
using testing::pattern;
using testing::Peer;
using testing::seconds;
using ::testing::StartsWith;
using testing::text_of;
using testing::TwoNodes;
using testing::Wiring;

constexpr std::size_t kMega = 1'000'000;

class EveryTransportInTrouble : public ::testing::TestWithParam<Wiring> {
 protected:
  TwoNodes nodes{GetParam()};
};

TEST_P(EveryTransportInTrouble, ReportsAPeerThatLeavesBetweenMessages) {
  nodes.talk([](Peer) -> Awaitable<void> { co_return; },
             [](Peer peer) -> Awaitable<void> {
               peer->name_peer("worker 3");
               const std::string error = co_await error_of(peer->receive());
               EXPECT_THAT(error, AllOf(StartsWith("NetError: [net]"), HasSubstr("worker 3")));
               EXPECT_FALSE(peer->is_open());
               EXPECT_EQ(co_await error_of(peer->receive()), error);
               EXPECT_EQ(co_await error_of(peer->send(1, {})), error);
             });
}

TEST_P(EveryTransportInTrouble, DeliversWhatWasSentBeforeThePeerLeft) {
  nodes.talk([](Peer peer) -> Awaitable<void> { co_await peer->send(1, as_bytes("last words")); },
             [](Peer peer) -> Awaitable<void> {
               EXPECT_EQ(text_of(co_await peer->receive()), "last words");
               EXPECT_THAT(co_await error_of(peer->receive()), HasSubstr("got 0 and the end of the connection"));
             });
}

TEST_P(EveryTransportInTrouble, FailsTheReceiverOfAPayloadThatBreaksOff) {
  const AlignedBuffer payload = pattern(20 * kMega);
  Gate gave_up(nodes.client_context().get_executor());
  nodes.talk(
      [&](Peer peer) -> Awaitable<void> {
        const std::string error = co_await error_of(peer->send(1, {}, payload.span(), deadline_in(milliseconds(20))));
        EXPECT_THAT(error, AllOf(StartsWith("TimeoutError: [net] send to"), EndsWith("the deadline passed")));
        gave_up.open();
      },
      [&](Peer peer) -> Awaitable<void> {
        const Message message = co_await peer->receive();
        AlignedBuffer into(message.payload_bytes);
        co_await gave_up.passed();
        const std::string error = co_await error_of(peer->receive_payload(into.span()));
        EXPECT_THAT(error, AllOf(StartsWith("NetError: [net] expected"), HasSubstr("the end of the connection")));
        EXPECT_FALSE(peer->is_open());
        EXPECT_EQ(peer->traffic().payload_received, 0U);
      });
}

TEST_P(EveryTransportInTrouble, FailsTheSenderOfAPayloadWhoseReceiverLeaves) {
  const AlignedBuffer payload = pattern(20 * kMega);
  nodes.talk(
      [&](Peer peer) -> Awaitable<void> {
        const std::string error = co_await error_of(peer->send(1, {}, payload.span()));
        EXPECT_THAT(error, StartsWith("NetError: [net] lost"));
      },
      [](Peer peer) -> Awaitable<void> { co_await peer->receive(); });
}

TEST_P(EveryTransportInTrouble, EndsAReceiveAtItsDeadlineAndClosesTheConnection) {
  nodes.talk(
      [](Peer peer) -> Awaitable<void> {
        peer->name_peer("worker 3");
        const std::string error = co_await error_of(peer->receive(deadline_in(milliseconds(20))));
        EXPECT_EQ(error, "TimeoutError: [net] message from worker 3: the deadline passed");
        EXPECT_EQ(co_await error_of(peer->send(1, {})), error);
      },
      [](Peer peer) -> Awaitable<void> { EXPECT_THAT(co_await error_of(peer->receive()), StartsWith("NetError: ")); });
}

TEST_P(EveryTransportInTrouble, LetsADeadlineThatIsMetPassQuietly) {
  nodes.talk(
      [](Peer peer) -> Awaitable<void> {
        for (int i = 0; i < 20; ++i) co_await peer->receive(deadline_in(milliseconds(5000)));
        co_await peer->send(1, {}, {}, deadline_in(milliseconds(5000)));
      },
      [](Peer peer) -> Awaitable<void> {
        for (int i = 0; i < 20; ++i) co_await peer->send(1, {}, {}, deadline_in(milliseconds(5000)));
        co_await peer->receive();
      });
}

TEST_P(EveryTransportInTrouble, EndsASendThatNobodyReadsAtItsDeadlineAndEverySendBehindIt) {
  const AlignedBuffer payload = pattern(20 * kMega);
  Gate gave_up(nodes.client_context().get_executor());
  nodes.talk(
      [&](Peer peer) -> Awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        std::string first, second;
        Gate both_ended(executor);
        const auto send = [&](std::string& error, ByteView bytes, Deadline deadline) -> Awaitable<void> {
          error = co_await error_of(peer->send(1, {}, bytes, deadline));
          if (!first.empty() && !second.empty()) both_ended.open();
        };
        asio::co_spawn(executor, send(first, payload.span(), deadline_in(milliseconds(20))), asio::detached);
        asio::co_spawn(executor, send(second, {}, kNever), asio::detached);
        co_await both_ended.passed();
        EXPECT_THAT(first, AllOf(StartsWith("TimeoutError: [net] send to"), EndsWith("the deadline passed")));
        EXPECT_EQ(second, first);
        gave_up.open();
      },
      [&](Peer) -> Awaitable<void> { co_await gave_up.passed(); });
}

TEST_P(EveryTransportInTrouble, CloseWakesAPendingReceive) {
  nodes.talk(
      [](Peer peer) -> Awaitable<void> {
        std::jthread other([peer] { peer->close(); });
        EXPECT_THAT(co_await error_of(peer->receive()), EndsWith("was closed"));
        EXPECT_THAT(co_await error_of(peer->send(1, {})), EndsWith("was closed"));
        peer->close();
      },
      [](Peer peer) -> Awaitable<void> { EXPECT_THAT(co_await error_of(peer->receive()), StartsWith("NetError: ")); });
}

TEST_P(EveryTransportInTrouble, ClosesAConnectionWhoseReceiveIsCancelled) {
  nodes.talk(
      [](Peer peer) -> Awaitable<void> {
        const std::string error =
            co_await error_of(with_deadline(peer->receive(), deadline_in(milliseconds(20)), "wait"));
        EXPECT_EQ(error, "TimeoutError: [net] wait: the deadline passed");
        EXPECT_FALSE(peer->is_open());
        EXPECT_THAT(co_await error_of(peer->send(1, {})), StartsWith("NetError: [net] lost"));
      },
      [](Peer peer) -> Awaitable<void> { EXPECT_THAT(co_await error_of(peer->receive()), StartsWith("NetError: ")); });
}

TEST_P(EveryTransportInTrouble, LivesUntilItsLastOperationHasEnded) {
  nodes.talk(
      [](Peer peer) -> Awaitable<void> {
        auto receive = peer->receive();
        peer.reset();
        EXPECT_EQ(text_of(co_await std::move(receive)), "hello");
      },
      [](Peer peer) -> Awaitable<void> {
        auto send = peer->send(1, as_bytes("hello"));
        peer.reset();
        co_await std::move(send);
      });
}

TEST_P(EveryTransportInTrouble, SurvivesMisuse) {
  const AlignedBuffer payload = pattern(1000);
  nodes.talk(
      [&](Peer peer) -> Awaitable<void> {
        co_await peer->send(1, {}, payload.span().first(1000));
        co_await peer->receive();
        co_await peer->send(2, as_bytes("still here"));
      },
      [&](Peer peer) -> Awaitable<void> {
        co_await peer->receive();
        AlignedBuffer into(1001);
        EXPECT_THAT(co_await error_of(peer->receive_payload(into.span())),
                    HasSubstr("expected room for a payload of 1000 bytes, got 1001"));
        EXPECT_THAT(co_await error_of(peer->receive()), HasSubstr("payload to be taken first"));
        co_await peer->receive_payload(into.span().first(1000));

        const auto executor = co_await asio::this_coro::executor;
        Gate received(executor);
        const auto first = [&]() -> Awaitable<void> {
          EXPECT_EQ(text_of(co_await peer->receive()), "still here");
          received.open();
        };
        asio::co_spawn(executor, first(), asio::detached);
        EXPECT_THAT(co_await error_of(peer->receive()), HasSubstr("expected one receiver at a time, got two"));
        co_await peer->send(3, {});  // only now does the other end answer the first receiver
        co_await received.passed();
      });
}

TEST_P(EveryTransportInTrouble, FailsToConnectWhereNobodyListens) {
  Address address = nodes.address();
  if (address.host == "127.0.0.1") {  // a port that was free a moment ago
    const auto listener = nodes.server().listen(address);
    address = listener->address();
    listener->close();
    nodes.server_context().run();
  }
  const auto visit = [&]() -> Awaitable<void> {
    const std::string error = co_await error_of(nodes.client().connect(address, deadline_in(seconds(20))));
    EXPECT_THAT(error, AllOf(StartsWith("NetError: [net] cannot connect to"), HasSubstr(address.text())));
  };
  const auto nothing = []() -> Awaitable<void> { co_return; };
  nodes.run(nothing(), visit());
}

TEST_P(EveryTransportInTrouble, RefusesASecondListenerAtOneAddress) {
  const auto listener = nodes.server().listen(nodes.address());
  EXPECT_THROW(nodes.server().listen(listener->address()), NetError);
}

TEST_P(EveryTransportInTrouble, FreesItsAddressWhenTheListenerCloses) {
  const auto first = nodes.server().listen(nodes.address());
  first->close();
  nodes.server_context().run();
  const auto second = nodes.server().listen(first->address());
  EXPECT_EQ(second->address(), first->address());
}

TEST_P(EveryTransportInTrouble, CloseWakesAPendingAccept) {
  const auto listener = nodes.server().listen(nodes.address());
  const auto serve = [&]() -> Awaitable<void> {
    std::jthread other([&] { listener->close(); });
    EXPECT_THAT(co_await error_of(listener->accept()), StartsWith("NetError: [net] cannot accept at"));
    EXPECT_THAT(co_await error_of(listener->accept()), StartsWith("NetError: "));
  };
  const auto nothing = []() -> Awaitable<void> { co_return; };
  nodes.run(serve(), nothing());
}

TEST_P(EveryTransportInTrouble, AcceptsAfterAnAcceptThatPassedItsDeadline) {
  const auto listener = nodes.server().listen(nodes.address());
  Gate may_connect(nodes.client_context().get_executor());
  const auto serve = [&]() -> Awaitable<void> {
    EXPECT_THAT(co_await error_of(listener->accept(deadline_in(milliseconds(10)))), StartsWith("TimeoutError: "));
    may_connect.open();
    const Peer peer = co_await listener->accept();
    EXPECT_EQ(text_of(co_await peer->receive()), "late");
  };
  const auto visit = [&]() -> Awaitable<void> {
    co_await may_connect.passed();
    const Peer peer = co_await nodes.client().connect(listener->address());
    co_await peer->send(1, as_bytes("late"));
  };
  nodes.run(serve(), visit());
}

TEST_P(EveryTransportInTrouble, DropsConnectionsThatNobodyAccepted) {
  const auto listener = nodes.server().listen(nodes.address());
  Gate connected(nodes.server_context().get_executor());
  const auto serve = [&]() -> Awaitable<void> {
    co_await connected.passed();
    listener->close();
  };
  const auto visit = [&]() -> Awaitable<void> {
    const Peer peer = co_await nodes.client().connect(listener->address());
    connected.open();
    EXPECT_THAT(co_await error_of(peer->receive()), StartsWith("NetError: "));
  };
  nodes.run(serve(), visit());
}

TEST_P(EveryTransportInTrouble, MayBeDestroyedInTheMiddleOfEverything) {
  const auto listener = nodes.server().listen(nodes.address());
  const auto serve = [](std::shared_ptr<Listener> at) -> Awaitable<void> {
    const Peer peer = co_await at->accept();
    co_await peer->receive();
    co_await peer->receive();
  };
  const auto visit = [](Transport& transport, Address to) -> Awaitable<void> {
    const Peer peer = co_await transport.connect(to);
    co_await peer->send(1, {});
    co_await peer->receive(deadline_in(seconds(100)));
  };
  asio::co_spawn(nodes.server_context(), serve(listener), asio::detached);
  asio::co_spawn(nodes.client_context(), visit(nodes.client(), listener->address()), asio::detached);
  for (int i = 0; i < 20; ++i) {
    nodes.server_context().poll();
    nodes.client_context().poll();
  }
}  // both contexts die here, with coroutines suspended in them

INSTANTIATE_TEST_SUITE_P(Net, EveryTransportInTrouble, testing::every_wiring(), testing::name_of);

}  // namespace
}  // namespace hop::net
