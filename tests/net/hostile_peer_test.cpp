// A peer that writes what it likes into a socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>

#include "net/frame.h"
#include "tests/net/largest_allocation.h"
#include "tests/net/two_nodes.h"

namespace hop::net {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using testing::error_of;
using ::testing::HasSubstr;
using testing::Peer;
using ::testing::StartsWith;
using testing::text_of;
using testing::TwoNodes;
using testing::Wiring;

using RawSocket = asio::generic::stream_protocol::socket;
using Bytes = std::vector<std::byte>;

const Bytes kSmallFrame = encode_frame(7, as_bytes("hi"), as_bytes("weights"), 4);

// Takes all there is, and gives it back as one text.
Awaitable<std::string> read_all(Peer peer) {
  std::string seen;
  while (true) {
    const Message message = co_await peer->receive();
    seen += text_of(message) + ",";
    AlignedBuffer payload(message.payload_bytes);
    co_await peer->receive_payload(payload.span());
    seen += std::string(as_text(payload.span())) + ";";
  }
}

class HostilePeer : public ::testing::TestWithParam<Wiring> {
 protected:
  /// The error with which a connection ends whose peer wrote `bytes` and then left (or stayed, if `stays`).
  std::string error_after(ByteView bytes, bool stays = false) {
    RawSocket raw = connect();
    asio::write(raw, asio::buffer(bytes.data(), bytes.size()));
    if (!stays) raw.shutdown(RawSocket::shutdown_send);
    std::string error;
    const auto serve = [&]() -> Awaitable<void> {
      const Peer peer = co_await listener_->accept();
      peer->name_peer("the visitor");
      error = co_await error_of(read_all(peer));
      EXPECT_FALSE(peer->is_open());
    };
    const auto nothing = []() -> Awaitable<void> { co_return; };
    nodes_.run(serve(), nothing());
    EXPECT_THAT(error, AllOf(StartsWith("NetError: ["), HasSubstr("the visitor")));
    return error;
  }

  RawSocket connect() {
    RawSocket raw(raw_context_);
    const Address address = listener_->address();
    if (address.scheme == Address::Scheme::kUnix) {
      raw.connect(asio::local::stream_protocol::endpoint(address.host));
    } else {
      raw.connect(asio::ip::tcp::endpoint(asio::ip::make_address(address.host), address.port));
      raw.set_option(asio::ip::tcp::no_delay(true));
    }
    return raw;
  }

  TwoNodes nodes_{GetParam()};
  std::shared_ptr<Listener> listener_ = nodes_.server().listen(nodes_.address());
  asio::io_context raw_context_;
};

TEST_P(HostilePeer, IsReadLikeAnyOtherAsLongAsItBehaves) {
  EXPECT_THAT(error_after(kSmallFrame), EndsWith("got 0 and the end of the connection (from the visitor)"));
}

TEST_P(HostilePeer, IsRefusedWithAnySingleBitFlipped) {
  for (std::size_t bit = 0; bit < kSmallFrame.size() * 8; ++bit) {
    Bytes damaged = kSmallFrame;
    damaged[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_THAT(error_after(damaged), ::testing::Not(HasSubstr("got 0 and the end"))) << "bit " << bit;
  }
}

TEST_P(HostilePeer, IsReportedWhenItLeavesAnywhereInAFrame) {
  for (std::size_t size = 0; size < kSmallFrame.size(); ++size) {
    EXPECT_THAT(error_after(ByteView(kSmallFrame).first(size)), HasSubstr("the end of the connection")) << size;
  }
}

TEST_P(HostilePeer, IsRefusedAtOnceWhenItTalksSomethingElse) {
  for (const std::string_view talk :
       {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "\x16\x03\x01\x02\x05\x01garbage-hello",
        "SSH-2.0-OpenSSH_9.2p1\r\n", "zzzzzzzzzzzzzzzz"}) {
    EXPECT_THAT(error_after(as_bytes(talk), /*stays=*/true), HasSubstr("does not speak Hopscotch"));
  }
}

TEST_P(HostilePeer, IsRefusedForGarbageBehindAGoodFrame) {
  Bytes bytes = kSmallFrame;
  bytes.insert(bytes.end(), 16, std::byte{0x55});
  EXPECT_THAT(error_after(bytes, /*stays=*/true), HasSubstr("got 0x55555555 (the peer does not speak Hopscotch)"));
}

TEST_P(HostilePeer, IsRefusedAtOnceForALengthBeyondTheLimitsWithNothingAllocated) {
  Bytes control_bomb = kSmallFrame;
  std::fill_n(control_bomb.begin() + 8, 4, std::byte{0xFF});
  testing::forget_allocations();
  EXPECT_THAT(error_after(ByteView(control_bomb).first(16), /*stays=*/true),
              HasSubstr("a control message of at most 1048576 bytes, got 4294967295"));
  Bytes chunk_bomb = kSmallFrame;
  std::fill_n(chunk_bomb.begin() + 26, 4, std::byte{0xFF});
  EXPECT_THAT(error_after(ByteView(chunk_bomb).first(34), /*stays=*/true),
              HasSubstr("a chunk of at most 7 bytes, got 4294967295"));
  EXPECT_LE(testing::largest_allocation(), 64U);
}

TEST_P(HostilePeer, MaySendItsFrameByteByByte) {
  std::string seen;
  const auto serve = [&]() -> Awaitable<void> {
    const Peer peer = co_await listener_->accept();
    const Message message = co_await peer->receive();
    AlignedBuffer payload(message.payload_bytes);
    co_await peer->receive_payload(payload.span());
    seen = std::string(as_text(payload.span()));
  };
  const auto drip = [&]() -> Awaitable<void> {
    RawSocket raw = connect();
    for (const std::byte& b : kSmallFrame) asio::write(raw, asio::buffer(&b, 1));
    co_return;
  };
  nodes_.run(serve(), drip());
  EXPECT_EQ(seen, "weights");
}

TEST_P(HostilePeer, IsReportedWhenItResetsTheConnection) {
  RawSocket raw = connect();
  asio::write(raw, asio::buffer(kSmallFrame.data(), 20));
  std::string error;
  const auto serve = [&]() -> Awaitable<void> {
    const Peer peer = co_await listener_->accept();
    raw.set_option(RawSocket::linger(true, 0));
    raw.close();
    error = co_await error_of(peer->receive());
  };
  const auto nothing = []() -> Awaitable<void> { co_return; };
  nodes_.run(serve(), nothing());
  EXPECT_THAT(error, StartsWith("NetError: [net] "));
}

INSTANTIATE_TEST_SUITE_P(Net, HostilePeer,
                         ::testing::Values(Wiring{Address::Scheme::kUnix, false}, Wiring{Address::Scheme::kTcp, true}),
                         testing::name_of);

}  // namespace
}  // namespace hop::net
