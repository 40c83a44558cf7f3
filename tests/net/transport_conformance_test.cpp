// Every transport carries the same messages, with both nodes on one thread and with a thread for each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <boost/asio/thread_pool.hpp>
#include <cstring>

#include "net/frame.h"
#include "tests/net/two_nodes.h"

namespace hop::net {
namespace {

using testing::error_of;
using testing::Gate;
using ::testing::HasSubstr;
using testing::pattern;
using testing::Peer;
using testing::same;
using testing::text_of;
using testing::TwoNodes;
using testing::Wiring;

constexpr std::size_t kMega = 1'000'000;

class EveryTransport : public ::testing::TestWithParam<Wiring> {
 protected:
  TwoNodes nodes{GetParam()};
};

TEST_P(EveryTransport, EchoesAMessage) {
  nodes.talk(
      [](Peer peer) -> Awaitable<void> {
        const Message question = co_await peer->receive();
        co_await peer->send(static_cast<std::uint16_t>(question.kind + 1), question.control.span());
      },
      [](Peer peer) -> Awaitable<void> {
        co_await peer->send(65534, as_bytes("is anybody there?"));
        const Message answer = co_await peer->receive();
        EXPECT_EQ(answer.kind, 65535);
        EXPECT_EQ(text_of(answer), "is anybody there?");
        EXPECT_EQ(answer.payload_bytes, 0U);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(answer.control.data()) % kAlignment, 0U);
      });
}

TEST_P(EveryTransport, CarriesEmptyControlMessagesAndEmptyPayloads) {
  const AlignedBuffer payload = pattern(8);
  nodes.talk(
      [&](Peer peer) -> Awaitable<void> {
        co_await peer->send(1, {});
        co_await peer->send(2, {}, payload.span());
        co_await peer->send(3, as_bytes("x"), {});
      },
      [&](Peer peer) -> Awaitable<void> {
        const Message bare = co_await peer->receive();
        EXPECT_EQ(bare.kind, 1);
        EXPECT_TRUE(bare.control.empty());
        EXPECT_EQ(bare.payload_bytes, 0U);
        co_await peer->receive_payload({});  // nothing to take is fine

        const Message loaded = co_await peer->receive();
        EXPECT_TRUE(loaded.control.empty());
        AlignedBuffer into(loaded.payload_bytes);
        co_await peer->receive_payload(into.span());
        EXPECT_TRUE(same(into.span(), payload.span()));

        EXPECT_EQ(text_of(co_await peer->receive()), "x");
      });
}

TEST_P(EveryTransport, CarriesTheLongestControlMessageAndRefusesALongerOne) {
  const AlignedBuffer bytes = pattern(kMaxControlBytes + 8);
  nodes.talk(
      [&](Peer peer) -> Awaitable<void> {
        const std::string refusal = co_await error_of(peer->send(1, bytes.span().first(kMaxControlBytes + 1)));
        EXPECT_THAT(refusal, HasSubstr("expected a control message of at most 1048576 bytes, got 1048577"));
        co_await peer->send(1, bytes.span().first(kMaxControlBytes));
      },
      [&](Peer peer) -> Awaitable<void> {
        const Message message = co_await peer->receive();
        EXPECT_TRUE(same(message.control.span(), bytes.span().first(kMaxControlBytes)));
      });
}

TEST_P(EveryTransport, KeepsManySmallMessagesInOrder) {
  constexpr std::uint32_t kMessages = 2000;
  nodes.talk(
      [](Peer peer) -> Awaitable<void> {
        for (std::uint32_t i = 0; i < kMessages; ++i) co_await peer->send(7, std::as_bytes(std::span(&i, 1)));
      },
      [](Peer peer) -> Awaitable<void> {
        for (std::uint32_t i = 0; i < kMessages; ++i) {
          const Message message = co_await peer->receive();
          std::uint32_t number = 0;
          std::memcpy(&number, message.control.data(), sizeof number);
          EXPECT_EQ(number, i);
        }
      });
}

TEST_P(EveryTransport, LetsBothEndsSpeakFirst) {
  const AlignedBuffer greeting = pattern(20'000);
  const auto role = [&](Peer peer) -> Awaitable<void> {
    co_await peer->send(1, greeting.span());
    const Message theirs = co_await peer->receive();
    EXPECT_TRUE(same(theirs.control.span(), greeting.span()));
    co_await peer->send(2, {});  // neither leaves before both have read
    co_await peer->receive();
  };
  nodes.talk(role, role);
}

TEST_P(EveryTransport, CarriesABigPayloadBitExactIntoTheReceiversMemory) {
  static const AlignedBuffer payload = pattern(100 * kMega);
  AlignedBuffer into(payload.size());
  nodes.talk([&](Peer peer) -> Awaitable<void> { co_await peer->send(1, as_bytes("model 3"), payload.span()); },
             [&](Peer peer) -> Awaitable<void> {
               const Message message = co_await peer->receive();
               EXPECT_EQ(message.payload_bytes, payload.size());
               co_await peer->receive_payload(into.span());
             });
  EXPECT_TRUE(same(into.span(), payload.span()));
}

TEST_P(EveryTransport, CarriesPayloadsOfOddSizesFromAndToOddAddresses) {
  constexpr std::array<std::size_t, 12> kSizes = {1,       7,       63,      4096,      65'536,    65'537,
                                                  262'143, 262'144, 262'145, 1'048'575, 1'048'576, 1'048'577};
  const AlignedBuffer bytes = pattern(2 * kMega);
  nodes.talk(
      [&](Peer peer) -> Awaitable<void> {
        for (const std::size_t size : kSizes) co_await peer->send(1, {}, bytes.span().subspan(size % 13, size));
      },
      [&](Peer peer) -> Awaitable<void> {
        for (const std::size_t size : kSizes) {
          const Message message = co_await peer->receive();
          EXPECT_EQ(message.payload_bytes, size);
          AlignedBuffer room(size + 2);
          co_await peer->receive_payload(room.span().subspan(1, size));
          EXPECT_TRUE(same(room.span().subspan(1, size), bytes.span().subspan(size % 13, size))) << size;
          EXPECT_EQ(room.data()[0], std::byte{0});
          EXPECT_EQ(room.data()[size + 1], std::byte{0});
        }
      });
}

TEST_P(EveryTransport, CarriesPayloadsInBothDirectionsAtOnce) {
  const AlignedBuffer payload = pattern(5 * kMega);
  const auto role = [&](Peer peer) -> Awaitable<void> {
    const auto executor = co_await asio::this_coro::executor;
    Gate sent(executor);
    asio::co_spawn(executor, peer->send(1, {}, payload.span()), [&](std::exception_ptr error) {
      EXPECT_FALSE(error);
      sent.open();
    });
    const Message message = co_await peer->receive();
    AlignedBuffer into(message.payload_bytes);
    co_await peer->receive_payload(into.span());
    EXPECT_TRUE(same(into.span(), payload.span()));
    co_await sent.passed();
  };
  nodes.talk(role, role);
}

TEST_P(EveryTransport, SkipsAPayloadThatNobodyWants) {
  const AlignedBuffer payload = pattern(3 * kMega);
  nodes.talk(
      [&](Peer peer) -> Awaitable<void> {
        co_await peer->send(1, {}, payload.span());
        co_await peer->send(2, as_bytes("next"));
      },
      [](Peer peer) -> Awaitable<void> {
        co_await peer->receive();
        co_await peer->skip_payload();
        EXPECT_EQ(text_of(co_await peer->receive()), "next");
      });
}

TEST_P(EveryTransport, GivesConcurrentSendersTheirTurnsInOrder) {
  constexpr std::uint16_t kSenders = 16;
  constexpr std::uint16_t kFirst = 98;
  constexpr int kRounds = 10;
  const AlignedBuffer payload = pattern(300'000);
  const AlignedBuffer more_than_any_buffer_holds = pattern(32 * kMega);
  Gate all_wait(nodes.client_context().get_executor());
  nodes.talk(
      [&](Peer peer) -> Awaitable<void> {
        const auto rethrow = [](std::exception_ptr error) { EXPECT_FALSE(error); };
        const auto sender = [&](std::uint16_t id) -> Awaitable<void> {
          for (int i = 0; i < kRounds; ++i) {
            co_await peer->send(id, as_bytes(std::to_string(i)), payload.span().subspan(id));
          }
        };
        const auto executor = co_await asio::this_coro::executor;
        // Until the client reads, this message holds the queue. Without it a sender could be done with its first round
        // before the next sender has asked for a turn.
        asio::co_spawn(executor, peer->send(kFirst, {}, more_than_any_buffer_holds.span()), rethrow);
        for (std::uint16_t id = 0; id < kSenders; ++id) asio::co_spawn(executor, sender(id), rethrow);
        all_wait.open();
        co_await peer->receive();  // the end, as the receiver sees it
      },
      [&](Peer peer) -> Awaitable<void> {
        co_await all_wait.passed();
        EXPECT_EQ((co_await peer->receive()).kind, kFirst);
        co_await peer->skip_payload();
        for (int i = 0; i < kRounds; ++i) {
          for (std::uint16_t id = 0; id < kSenders;
               ++id) {  // a sender that has just sent stands at the end of the queue
            const Message message = co_await peer->receive();
            EXPECT_EQ(message.kind, id);
            EXPECT_EQ(text_of(message), std::to_string(i));
            AlignedBuffer into(message.payload_bytes);
            co_await peer->receive_payload(into.span());
            EXPECT_TRUE(same(into.span(), payload.span().subspan(message.kind)));
          }
        }
        co_await peer->send(99, {});
      });
}

constexpr int kRounds = 100;

// Has its own hold of the connection: the last answer may end the server before this coroutine has returned.
Awaitable<void> send_rounds(Peer peer, int id, ByteView payload) {
  for (int i = 0; i < kRounds; ++i) {
    co_await peer->send(static_cast<std::uint16_t>(id), std::as_bytes(std::span(&i, 1)), payload);
    (void)peer->traffic();
  }
}

TEST_P(EveryTransport, MayBeUsedFromManyThreads) {
  constexpr int kSenders = 8;
  const AlignedBuffer payload = pattern(10'000);
  asio::thread_pool pool(3);
  nodes.talk(
      [&](Peer peer) -> Awaitable<void> {
        for (int id = 0; id < kSenders; ++id) {
          asio::co_spawn(pool, send_rounds(peer, id, payload.span()),
                         [](std::exception_ptr error) { EXPECT_FALSE(error); });
        }
        co_await peer->receive();
      },
      [&](Peer peer) -> Awaitable<void> {
        std::array<int, kSenders> next{};
        for (int n = 0; n < kSenders * kRounds; ++n) {
          const Message message = co_await peer->receive();
          int number = -1;
          std::memcpy(&number, message.control.data(), sizeof number);
          EXPECT_EQ(number, next.at(message.kind)++);
          AlignedBuffer into(message.payload_bytes);
          co_await peer->receive_payload(into.span());
          EXPECT_TRUE(same(into.span(), payload.span()));
        }
        co_await peer->send(99, {});
      });
  pool.join();
}

TEST_P(EveryTransport, CountsBytesExactlyAndAlikeAtBothEnds) {
  const AlignedBuffer payload = pattern(2'500'000);
  Traffic server, client;
  nodes.talk(
      [&](Peer peer) -> Awaitable<void> {
        EXPECT_EQ(peer->traffic(), Traffic{});
        co_await peer->send(1, as_bytes("12345"));
        co_await peer->send(2, as_bytes("123"), payload.span());
        co_await peer->receive();
        server = peer->traffic();
      },
      [&](Peer peer) -> Awaitable<void> {
        co_await peer->receive();
        const Message message = co_await peer->receive();
        AlignedBuffer into(message.payload_bytes);
        co_await peer->receive_payload(into.span());
        co_await peer->send(3, {});
        client = peer->traffic();
      });
  // Two headers, 8 bytes of control messages, one payload length, three chunk headers (2 x 1 MiB + 402848 bytes).
  EXPECT_EQ(server, (Traffic{.control_sent = 2 * 16 + 8 + 8 + 3 * 8,
                             .control_received = 16,
                             .payload_sent = 2'500'000,
                             .payload_received = 0}));
  EXPECT_EQ(client, (Traffic{.control_sent = server.control_received,
                             .control_received = server.control_sent,
                             .payload_sent = 0,
                             .payload_received = 2'500'000}));
  server += client;
  EXPECT_EQ(server.payload_received, 2'500'000U);
  EXPECT_EQ(server.control_sent, server.control_received);
}

TEST_P(EveryTransport, KeepsTwoConnectionsApart) {
  const auto listener = nodes.server().listen(nodes.address());
  const AlignedBuffer payload = pattern(kMega);
  const auto serve = [&]() -> Awaitable<void> {
    const Peer first = co_await listener->accept();
    const Peer second = co_await listener->accept();
    co_await second->send(2, as_bytes("second"), payload.span().subspan(2));
    co_await first->send(1, as_bytes("first"), payload.span().subspan(1));
    co_await second->receive();
  };
  const auto visit = [&]() -> Awaitable<void> {
    const Peer first = co_await nodes.client().connect(listener->address());
    const Peer second = co_await nodes.client().connect(listener->address());
    for (const auto& [peer, id] : {std::pair{second, 2U}, std::pair{first, 1U}}) {
      const Message message = co_await peer->receive();
      EXPECT_EQ(message.kind, id);
      AlignedBuffer into(message.payload_bytes);
      co_await peer->receive_payload(into.span());
      EXPECT_TRUE(same(into.span(), payload.span().subspan(id)));
    }
    co_await second->send(3, {});
  };
  nodes.run(serve(), visit());
}

INSTANTIATE_TEST_SUITE_P(Net, EveryTransport, testing::every_wiring(), testing::name_of);

}  // namespace
}  // namespace hop::net
